"""A real Chromium on a served demo; every page it opens is watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, StorageState, expect, sync_playwright

from tests.browser.visitor import WAIT_MS, WIDE, Visitor
from tests.site import DemoSite, demo_database, served

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium once a run."""
    if not CHROMIUM:
        pytest.skip("No Chromium on this machine: install it, or name it in CHROMIUM.")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def own_demo(
    browser: Browser, demo_site: DemoSite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DemoSite]:
    """A demo that journeys may change: a copy of the built one, its database included."""
    instance = tmp_path_factory.mktemp("journeys") / "instance"
    shutil.copytree(demo_site.instance, instance)
    url = demo_site.environment.get("CLOSEDLOOP_DATABASE_URL", "")
    copy_of = sa.make_url(url).database or "" if url else ""
    with demo_database(f"closedloop_journeys_{os.getpid()}", copy_of) as environment:
        yield DemoSite(instance, environment, demo_site.summary)


@pytest.fixture(scope="session")
def address(own_demo: DemoSite) -> Iterator[str]:
    """Address of the demo that journeys may change."""
    with served(own_demo) as address:
        yield address


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser that nobody has signed in with: `stranger(address, has_scripts=False)`."""
    contexts = []

    def open_browser(
        address: str, *, has_scripts: bool = True, cookies: StorageState | None = None
    ) -> Visitor:
        context = browser.new_context(
            viewport=WIDE,
            color_scheme="light",
            reduced_motion="reduce",
            timezone_id="Europe/London",
            locale="en-GB",
            java_script_enabled=has_scripts,
            storage_state=cookies,
        )
        contexts.append(context)
        return Visitor(context.new_page(), address, has_scripts=has_scripts)

    yield open_browser
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def signed_in() -> dict[str, StorageState]:
    """Cookies of people who are signed in, by their address; signing in takes its time."""
    return {}


@pytest.fixture
def visit(
    stranger: Callable[..., Visitor],
    address: str,
    own_demo: DemoSite,
    signed_in: dict[str, StorageState],
) -> Callable[..., Visitor]:
    """Bring somebody of a role to home: `visit("cx_manager")`, `visit("stakeholder", "Lena")`."""

    def bring(role: str, name: str = "") -> Visitor:
        account = own_demo.account(role, name)
        cookies = signed_in.get(account["email"])
        visitor = stranger(address, cookies=cookies)
        if cookies:
            visitor.open("/")
        else:
            visitor.sign_in(account)
            signed_in[account["email"]] = visitor.page.context.storage_state()
        return visitor

    return bring


@pytest.fixture
def new_site(browser: Browser, tmp_path: Path) -> Iterator[str]:
    """Address of a site that was just set up: no people, no contacts."""
    with demo_database(f"closedloop_new_{os.getpid()}") as environment:
        site = DemoSite(tmp_path / "instance", environment, {})
        done = site.command("init", "--set", "CLOSEDLOOP_SITE_NAME=Northbank")
        assert done.returncode == 0, done.stderr
        with served(site) as address:
            yield address
