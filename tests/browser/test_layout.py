"""Pages as laid out: words longer than a page is wide, paper, and a browser without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from closedloop.domain.actions import ActionStatus
from closedloop.domain.themes import ThemeStatus
from tests.factories.accounts import make_department
from tests.factories.themes import make_action, make_stats, make_theme
from tests.web.test_home import add_data

pytestmark = pytest.mark.browser

STYLES = Path(__file__).parents[2] / "closedloop" / "static"
DRAWN_BY = ("shared", "contacts")
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


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("path", ["/actions/?view=list", "/actions/", "/themes/"])
def test_a_word_without_an_end_pushes_no_column_of_a_list_out_of_sight(
    browser: Browser, manager, session, path: str, width: int
) -> None:
    theme = make_theme(session, ThemeStatus.ACTING, name="N" * 120)
    make_stats(session, theme, contacts=1_234_567, customers=1_034_567)
    department = make_department(session, "Payments, transfers and international settlement")
    make_action(session, theme, ActionStatus.IN_PROGRESS, title="W" * 160, department=department)

    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(styled(manager.get(path)))

    name = page.locator("tbody th, .cl-ticket").first.bounding_box()
    assert name is not None
    assert name["width"] <= (320 if width == 360 else 440)
    page.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_name_that_came_back_stays_on_the_page(
    browser: Browser, manager, session, width: int
) -> None:
    add_data(session)
    make_theme(session, ThemeStatus.REOPENED, name="N" * 120)

    page = browser.new_page(viewport={"width": width, "height": 800})
    page.set_content(styled(manager.get("/")))

    line = page.locator(".cl-loop-return a").bounding_box()
    assert line is not None
    assert line["x"] + line["width"] <= width
    page.close()


def test_a_long_table_begins_on_the_page_that_names_it(browser: Browser, manager, session) -> None:
    make_stats(session, make_theme(session, ThemeStatus.ACTING), contacts=120, customers=100)
    page = browser.new_page()
    page.set_content(styled(manager.get("/themes/")))
    page.emulate_media(media="print")

    breaks = page.locator(".card:has(> .cl-scroll)").first.evaluate(
        "card => getComputedStyle(card).breakInside"
    )
    assert breaks == "auto"
    page.close()


def test_a_chart_that_no_script_draws_has_no_legend_either(
    browser: Browser, manager, session
) -> None:
    add_data(session)
    page = browser.new_page()
    page.set_content(styled(manager.get("/")))

    assert page.locator(".cl-legend").count() == 1
    assert not page.locator(".cl-legend").is_visible()
    page.close()


TICKS = """([kind, data]) => {
  const box = document.getElementById("drawn");
  const chart = echarts.init(box, null, { renderer: "canvas" });
  chart.setOption(closedloopCharts.kinds[kind](data, { width: 800, narrow: false, step: "day" }));
  const axis = chart.getModel().getComponent("yAxis").axis;
  const ticks = axis.getViewLabels().map(tick => tick.formattedLabel);
  chart.dispose();
  return ticks;
}"""
FEW_REPEATS = {
    "period": "90 days",
    "themes": [
        {"id": f"T-00{n}", "name": "Any", "contacts": 40 * n, "repeat_rate": 0.01 * n}
        for n in (1, 2, 3)
    ],
}
FEW_CONTACTS = {
    "days": ["2026-05-04", "2026-05-05", "2026-05-06"],
    "series": [{"name": "Contacts", "values": [1, 2, 1], "ink": "s1"}],
    "unit": "contacts",
}


@pytest.mark.parametrize(("kind", "data"), [("map", FEW_REPEATS), ("trend", FEW_CONTACTS)])
def test_no_two_ticks_of_an_axis_say_the_same_number(browser: Browser, kind: str, data) -> None:
    page = browser.new_page()
    page.set_content("<main><div id='drawn' style='width: 800px; height: 300px'></div></main>")
    for script in ("vendor/echarts-6.1.0.min.js", *(f"js/charts/{n}.js" for n in DRAWN_BY)):
        page.add_script_tag(path=STYLES / script)

    ticks = page.evaluate(TICKS, [kind, data])

    assert len(ticks) >= 2
    assert len(set(ticks)) == len(ticks), ticks
    page.close()
