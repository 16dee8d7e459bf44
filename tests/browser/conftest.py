"""A real Chromium on a served demo; every page it opens is watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.site import ROOT, DemoSite, build, demo_database, served

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
SHOTS = ROOT / "artifacts" / "screenshots"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium once a run."""
    if not CHROMIUM:
        pytest.skip("No Chromium on this machine: install it, or name it in CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def own_demo(demo_site: DemoSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoSite]:
    """A demo that journeys may change: a copy of the file, or a second build on the server."""
    instance = tmp_path_factory.mktemp("journeys") / "instance"
    if "CLOSEDLOOP_DATABASE_URL" not in demo_site.environment:
        shutil.copytree(demo_site.instance, instance)
        yield DemoSite(instance, demo_site.environment, demo_site.summary)
        return
    with demo_database(f"closedloop_journeys_{os.getpid()}") as environment:
        yield build(instance, environment)


@pytest.fixture(scope="session")
def address(own_demo: DemoSite) -> Iterator[str]:
    """Address of the demo that journeys may change."""
    with served(own_demo) as address:
        yield address


class Visitor:
    """One signed-in person in a browser of their own."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.problems: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.add_init_script(
            "window.violations = [];"
            "addEventListener('securitypolicyviolation',"
            " e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI));"
        )

    def _heard(self, message: ConsoleMessage) -> None:
        is_status = "the server responded with a status of 4" in message.text
        if message.type == "error" and not is_status:
            self.problems.append(f"{self.page.url}: {message.text}")

    def open(self, path: str) -> Page:
        """Open a page and wait until its charts stand."""
        self.page.goto(f"{self.address}{path}")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def sign_in(self, account: dict[str, str]) -> Page:
        """Sign in through the form."""
        page = self.open("/sign-in")
        page.get_by_label("E-mail address").fill(account["email"])
        page.get_by_label("Password").fill(account["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.address}/")
        return page

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)

    def check(self) -> None:
        """Fail on console errors and on what the policy blocked."""
        self.problems += [
            f"{self.page.url}: blocked {what}" for what in self.page.evaluate("window.violations")
        ]
        assert not self.problems, "\n".join(self.problems)


@pytest.fixture
def visit(browser: Browser, address: str, own_demo: DemoSite):
    """Open a browser for a role: `visit("cx_manager", scheme="dark", width=360)`."""
    contexts = []

    def open_browser(role: str, *, scheme: str = "light", width: int = 1440) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",
            timezone_id="Europe/London",
            locale="en-GB",
        )
        contexts.append(context)
        visitor = Visitor(context.new_page(), address)
        visitor.sign_in(own_demo.account(role))
        return visitor

    yield open_browser
    for context in contexts:
        context.close()


def axe_source() -> str:
    """Return the source of axe-core."""
    import axe_core_python

    return (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
