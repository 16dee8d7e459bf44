"""Words longer than the page is wide: they break, and nothing is pushed out of sight."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.factories.themes import make_action, make_theme

pytestmark = pytest.mark.browser

STYLES = Path(__file__).parents[2] / "closedloop" / "static"
SHEET = re.compile(r'<link [^>]*href="/static/([^"?]+\.css)[^"]*"[^>]*>')


def styled(html: str) -> str:
    """Return a page that carries its own styles and runs no scripts."""
    without = re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    return SHEET.sub(lambda found: f"<style>{(STYLES / found[1]).read_text()}</style>", without)


@pytest.mark.parametrize("path", ["", "/edit"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_word_without_an_end_in_a_title_breaks(
    browser: Browser, manager, session, path: str, width: int
) -> None:
    theme = make_theme(session, name="N" * 120)
    action = make_action(session, theme, title="W" * 160)
    html = styled(manager.get(f"/actions/{action.key}{path}"))

    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(html)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
