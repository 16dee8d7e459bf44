"""Every page, in light and dark, wide and narrow: no error, nothing blocked, nothing cut off."""

from __future__ import annotations

import pytest

from tests.browser.conftest import axe_source

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = {
    "cx_manager": [
        "/",
        "/contacts/",
        "/contacts/?q=refund",
        "/contacts/repeats",
        "/contacts/import",
        "/themes/",
        "/themes/?view=all",
        "{theme}",
        "/triage/",
        "/actions/",
        "/actions/?view=list",
        "{action}",
        "{theme_new_action}",
        "/impact/",
        "{impact}",
        "{measurement}",
        "/reports/",
        "/jobs/",
        "{contact}",
        "/profile",
    ],
    "stakeholder": ["/", "/actions/", "/impact/"],
    "executive": ["/", "/reports/", "/impact/", "/themes/"],
    "admin": ["/", "/admin/", "/admin/users", "/admin/departments", "/admin/site", "/admin/audit"],
}


def found(visitor, path: str) -> str:
    """Turn a placeholder into the address of something the demo holds."""

    def first_link(on: str, starts: str) -> str:
        page = visitor.open(on)
        links = page.locator(f'main a[href^="{starts}"]').evaluate_all(
            "all => all.map(a => a.getAttribute('href'))"
        )
        return next(
            link for link in links if link not in {starts, f"{starts}new"} and "?" not in link
        )

    return {
        "{theme}": lambda: first_link("/themes/", "/themes/T-"),
        "{theme_new_action}": lambda: (
            "/actions/new?theme=" + first_link("/themes/", "/themes/T-").rsplit("/", 1)[1]
        ),
        "{action}": lambda: first_link("/actions/", "/actions/A-"),
        "{impact}": lambda: first_link("/impact/", "/impact/A-"),
        "{measurement}": lambda: first_link(
            first_link("/impact/", "/impact/A-"), "/impact/measurements/"
        ),
        "{contact}": lambda: first_link("/contacts/", "/contacts/"),
    }.get(path, lambda: path)()


def name_of(path: str) -> str:
    return (
        path.strip("/").replace("/", "-").replace("?", "-").replace("=", "-").replace("&", "-")
        or "home"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("role", PAGES)
def test_pages_have_no_errors_and_no_serious_accessibility_finding(visit, role, scheme):
    visitor = visit(role, scheme=scheme)
    axe = axe_source()
    findings = []
    for path in PAGES[role]:
        visitor.open(found(visitor, path))
        visitor.shoot(f"{role}-{name_of(path.strip('{}'))}-{scheme}")
        visitor.page.evaluate(axe)
        result = visitor.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        findings += [
            f"{path}: {v['id']} ({v['impact']}): {v['nodes'][0]['target']} {v['nodes'][0]['html'][:120]}"
            for v in result["violations"]
            if v["impact"] in {"serious", "critical"}
        ]
    assert not findings, "\n".join(findings)
    visitor.check()


@pytest.mark.parametrize("role", PAGES)
def test_nothing_is_cut_off_on_a_narrow_phone(visit, role):
    visitor = visit(role, width=360)
    wide = []
    for path in PAGES[role]:
        visitor.open(found(visitor, path))
        visitor.shoot(f"{role}-{name_of(path.strip('{}'))}-360")
        width = visitor.page.evaluate("document.scrollingElement.scrollWidth")
        if width > 360:
            wide.append(f"{path}: {width} px")
    assert not wide, "\n".join(wide)
    visitor.check()
