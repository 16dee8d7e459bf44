"""Somebody with a browser: signs in, opens pages, hears what goes wrong, looks closely."""

from __future__ import annotations

import os
import re
from pathlib import Path

import axe_core_python
from playwright.sync_api import ConsoleMessage, Page, Response

from tests.site import ROOT, SERVER

SHOTS = ROOT / "artifacts" / "screenshots"
ALL_SHOTS = bool(os.environ.get("CLOSEDLOOP_TEST_PICTURES"))
"""Whether every page leaves its pictures; else those do on which something is wrong."""
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LOOKS = Path(__file__).with_name("looks.js").read_text(encoding="utf-8")
WAIT_MS = 60_000
"""How long a machine with much else to do may take; who is there at once costs no wait."""
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 360, "height": 800}
STANDS = "() => new Promise(stands => closedloopLooks.stand(stands))"
"""Resolves once every chart on the page is drawn."""


class Visitor:
    """One person in a browser of their own.

    What the console, the network and the content security policy complain about is kept in
    `problems` from the first page on; `check` fails on it.
    """

    def __init__(self, page: Page, address: str, *, has_scripts: bool = True) -> None:
        self.page, self.address, self.has_scripts = page, address, has_scripts
        self.problems: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("response", self._answered)
        if has_scripts:
            page.add_init_script(LOOKS)

    def _heard(self, message: ConsoleMessage) -> None:
        is_status = message.text.startswith("Failed to load resource")  # see _answered
        if message.type == "error" and not is_status:
            self.problems.append(f"{self.page.url}: {message.text}")

    def _answered(self, response: Response) -> None:
        is_page = response.request.resource_type == "document"
        if response.status >= 500 or (response.status >= 400 and not is_page):
            self.problems.append(f"{response.url}: answered {response.status}")

    def open(self, path: str) -> Page:
        """Open a page and wait until its charts stand."""
        self.page.goto(f"{self.address}{path}")
        return self.settle()

    def settle(self) -> Page:
        """Wait until the page is loaded and its charts stand."""
        self.page.wait_for_load_state("load")
        if self.has_scripts:
            self.page.evaluate(STANDS)
        return self.page

    def fetch(self, path: str) -> str:
        """Return a page as text, without showing it."""
        return self.page.request.get(f"{self.address}{path}").text()

    def find(self, path: str, pattern: str) -> str:
        """Return the first thing on a page that fits a pattern."""
        found = re.search(pattern, self.fetch(path))
        assert found, f"{path} holds nothing like {pattern}"
        return found[0]

    def sign_in(self, account: dict[str, str]) -> Page:
        """Sign in through the form."""
        page = self.open("/sign-in")
        page.get_by_label("E-mail address").fill(account["email"])
        page.get_by_label("Password").fill(account["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.address}/")
        return self.settle()

    def sign_out(self) -> Page:
        """Sign out through the button in the rail."""
        self.page.get_by_role("button", name="Sign out").click()
        self.page.wait_for_url(f"{self.address}/sign-in")
        return self.page

    def press(self, keys: str) -> None:
        """Press keys one after the other, as a person would with nothing in focus."""
        for key in keys.split():
            self.page.keyboard.press(key)

    def say(self) -> str:
        """Return what the page says in its main part, spaces made plain."""
        return " ".join(self.page.locator("main").inner_text().split())

    def shoot(self, name: str, *, is_wrong: bool = False) -> None:
        """Keep a picture of the whole page, if all are wanted or something is wrong with it."""
        if not (is_wrong or ALL_SHOTS):
            return
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.jpg", full_page=True, type="jpeg", quality=75)

    def look_closely(self, name: str) -> list[str]:
        """Return what is wrong with the page as it stands: light, dark, and on a narrow phone.

        In light all rules of axe are run, in dark those about colour; on the phone nothing may
        be out of reach, cut off or too small to be pressed. Once is enough: no page looks
        otherwise on another database.
        """
        if SERVER:
            return []
        self.page.evaluate(AXE)
        wrong = self._seen(f"{name}-light", "", "closedloopLooks.axe()")
        self.page.emulate_media(color_scheme="dark")
        self.settle()
        wrong += self._seen(f"{name}-dark", "in dark: ", "closedloopLooks.axe('dark')")
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(NARROW)
        self.settle()
        wrong += self._seen(f"{name}-360", "at 360 px: ", "closedloopLooks.cutOff()")
        wrong += self._seen(f"{name}-360", "for a finger: ", "closedloopLooks.tooSmall()")
        self.page.set_viewport_size(WIDE)
        return [f"{name}: {text}" for text in wrong]

    def _seen(self, picture: str, where: str, look: str) -> list[str]:
        found = [f"{where}{text}" for text in self.page.evaluate(look)]
        self.shoot(picture, is_wrong=bool(found))
        return found

    def check(self) -> None:
        """Fail on what the console, the network or the policy complained about."""
        assert not self.problems, "\n".join(self.problems)
