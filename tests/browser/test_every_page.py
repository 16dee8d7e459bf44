"""Every page, light and dark, wide and narrow: no error, nothing blocked, nothing cut off."""

from __future__ import annotations

import re

import pytest

from tests.site import SERVER

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(bool(SERVER), reason="pages are looked at where their data are in a file"),
]


PAGES: dict[str, list[tuple[str, str]]] = {
    "cx_manager": [
        ("home.index", "/"),
        ("home.changes", "/changes"),
        ("contacts.index", "/contacts/"),
        ("contacts.index", "/contacts/?q=refund"),
        ("contacts.show", "{contact}"),
        ("contacts.repeats", "/contacts/repeats"),
        ("contacts.import_new", "/contacts/import"),
        ("contacts.import_show", "{import}"),
        ("contacts.import_roll_back", "{import}/roll-back"),
        ("contacts.mappings", "/contacts/mappings"),
        ("contacts.identities", "/contacts/identities"),
        ("contacts.link_job", "{link_job}"),
        ("metrics.index", "/metrics/"),
        ("metrics.show", "/metrics/repeat_rate_any"),
        ("metrics.show", "/metrics/snowball_minutes?step=week&by=theme"),
        ("metrics.show", "/metrics/repeat_rate_net"),
        ("metrics.goals", "/metrics/settings"),
        ("metrics.costs", "/metrics/settings/costs"),
        ("metrics.drivers", "/metrics/settings/drivers"),
        ("metrics.lists", "/metrics/settings/lists"),
        ("themes.index", "/themes/"),
        ("themes.index", "/themes/?view=all"),
        ("themes.index", "/themes/?view=all&group=driver"),
        ("themes.show", "{theme}"),
        ("themes.definitions", "{theme}/definitions"),
        ("themes.runs", "/themes/runs"),
        ("themes.run", "/themes/runs/1"),
        ("themes.parts", "/themes/runs/1/parts?part=1"),
        ("themes.parts_contacts", "/themes/runs/1/parts/contacts?part=1"),
        ("themes.runs_against", "/themes/runs/1/against/1"),
        ("themes.theme_map", "/themes/map"),
        ("themes.next_issues", "/themes/next"),
        ("themes.next_issues", "/themes/next?show=all"),
        ("themes.faq", "/themes/faq"),
        ("themes.codes", "/themes/codes"),
        ("themes.drivers", "/themes/drivers"),
        ("themes.driver", "/themes/drivers/D-001"),
        ("themes.driver_changes", "/themes/drivers/changes"),
        ("themes.move_to_driver", "/themes/drivers/move?id=1&to=none"),
        ("themes.merge_driver", "/themes/drivers/D-001/merge?into=D-002"),
        ("themes.check", "{theme}/check"),
        ("themes.pick", "{theme}/contacts"),
        ("themes.move", "{theme}/move?all=1&to=none"),
        ("themes.split", "{theme}/split"),
        ("themes.retire", "{theme}/retire"),
        ("themes.changes", "{theme}/changes"),
        ("themes.comebacks", "{alarm}"),
        ("themes.unassigned", "/themes/unassigned"),
        ("themes.give", "{left_over}/give"),
        ("themes.take_emerging", "/themes/emerging/1/take"),
        ("triage.index", "/triage/"),
        ("triage.merge", "/triage/{candidate}/merge?into={other}"),
        ("triage.park", "/triage/{candidate}/park"),
        ("triage.dismiss", "/triage/{candidate}/dismiss"),
        ("actions.index", "/actions/"),
        ("actions.index", "/actions/?view=list"),
        ("actions.show", "/actions/{fell}"),
        ("actions.show", "/actions/{open}"),
        ("actions.new", "/actions/new?theme={agreed}"),
        ("actions.edit", "/actions/{open}/edit"),
        ("actions.cost", "/actions/{fell}/cost"),
        ("actions.ship", "/actions/{open}/ship?went_live_on=2026-05-01&rollout_days=7"),
        ("actions.take_back", "/actions/{fell}/take-back"),
        ("actions.power", "/actions/{open}/power"),
        ("impact.settings", "/impact/settings"),
        ("impact.index", "/impact/"),
        ("impact.show", "/impact/{fell}"),
        ("impact.show", "/impact/{moved}"),
        ("impact.show", "/impact/{wore_off}"),
        ("impact.show", "/impact/{nothing}"),
        ("impact.measurement", "{measurement}"),
        ("impact.index", "/impact/?verdict=fell&from=2026-01-01"),
        ("reports.index", "/reports/"),
        ("jobs.index", "/jobs/"),
        ("accounts.profile", "/profile"),
        ("a page that is not there", "/nowhere"),
    ],
    "stakeholder": [
        ("home.index", "/"),
        ("triage.show", "/triage/{candidate}"),
        ("actions.show", "/actions/{open}"),
        ("a page for others", "/contacts/import"),
    ],
    "executive": [
        ("home.index", "/"),
        ("themes.show", "{theme}"),
        ("impact.show", "/impact/{fell}"),
    ],
    "admin": [
        ("home.index", "/"),
        ("admin.index", "/admin/"),
        ("admin.users", "/admin/users"),
        ("admin.new_user", "/admin/users/new"),
        ("admin.show_user", "/admin/users/2"),
        ("admin.departments", "/admin/departments"),
        ("admin.site", "/admin/site"),
        ("admin.audit", "/admin/audit"),
    ],
}
SEEN_ON_JOURNEYS = {
    "accounts.first_run",
    "accounts.sign_in",
    "contacts.import_map",
    "contacts.import_try",
    "contacts.import_job",
    "jobs.show",
}
"""Pages that stand in the middle of something; test_journeys.py looks at them closely."""

NOT_PAGES = re.compile(
    r"static|api\..*|.*\.export|.*csv|themes\.(trend|map_points|choose_runs)|contacts\.(import_rejects|import_to_correct|mapping_file)"
)
STORIES = {
    "fell": "new card is posted",
    "moved": "label off card payments",
    "wore_off": "date of a refund",
    "nothing": "pending top-ups",
}


def examples(visitor, site) -> dict[str, str]:
    """Return what stands for the placeholders: things the demo holds."""
    keys = {
        name: next(a["key"] for a in site.summary["actions"] if words in a["title"])
        for name, words in STORIES.items()
    }
    theme = visitor.find("/themes/", r"/themes/T-\d+")
    listed = visitor.fetch("/actions/?view=list&show=open")
    opened = re.findall(r"/actions/(A-\d+)", listed)
    return keys | {"theme": theme, "agreed": theme.rsplit("/", 1)[1], "open": opened[-1]}


def examples_for_managers(visitor, known: dict[str, str]) -> dict[str, str]:
    """Return the examples that only CX managers can find."""
    merging = visitor.find("/triage/", r"/triage/T-\d+/merge\?into=T-\d+")
    candidate, other = re.findall(r"T-\d+", merging)
    return {
        "contact": visitor.find("/contacts/", r"/contacts/\d+"),
        "left_over": visitor.find("/themes/unassigned", r"/themes/unassigned/\d+"),
        "import": visitor.find("/contacts/import", r"/contacts/imports/\d+"),
        "measurement": visitor.find(
            f"/impact/{known['fell']}", r"/impact/[A-Z0-9-]+\?measurement=\d+"
        ),
        "alarm": visitor.find(f"/impact/{known['wore_off']}", r"/themes/T-\d+/comebacks"),
        "candidate": candidate,
        "other": other,
        "link_job": try_links(visitor),
    }


def try_links(visitor) -> str:
    """Try the linking of customers out, wait for the answer, return where it is."""
    page = visitor.open("/contacts/identities")
    page.locator("#link-phone").check()
    page.get_by_role("button", name="Try it out").click()
    page.wait_for_url("**/identities/job/*")
    page.get_by_role("heading", name="What would be joined").wait_for()
    return page.url.removeprefix(visitor.address)


@pytest.fixture(scope="module")
def placeholders():
    """What was found once and is known to all roles."""
    return {}


@pytest.mark.parametrize("role", PAGES)
def test_pages_have_no_fault_in_light_in_dark_and_on_a_phone(visit, own_demo, placeholders, role):
    visitor = visit(role)
    if not placeholders:
        manager = visitor if role == "cx_manager" else visit("cx_manager")
        placeholders |= examples(manager, own_demo)
        placeholders |= examples_for_managers(manager, placeholders)
    wrong = []
    for endpoint, path in PAGES[role]:
        path = path.format(**placeholders)
        visitor.open(path)
        wrong += visitor.look_closely(f"{role}-{endpoint.replace(' ', '-')}-{name_of(path)}")
    assert not wrong, "\n".join(wrong)
    visitor.check()


def name_of(path: str) -> str:
    """Return a path as part of a file name."""
    return re.sub(r"\W+", "-", path).strip("-") or "home"


def test_every_page_of_the_application_is_looked_at(app):
    pages = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and not NOT_PAGES.fullmatch(rule.endpoint)
    }
    looked_at = {endpoint for pages in PAGES.values() for endpoint, _ in pages}
    assert pages - looked_at == SEEN_ON_JOURNEYS


PLANTED = """document.querySelector('main').insertAdjacentHTML('beforeend', `
<p class="planted">grey on white</p><button></button><summary class="planted-low">low</summary>
<div class="planted-box"><span>words that are longer than their box</span></div>
<section class="card planted-card">words that are wider than their card</section>
<img alt="" src="/static/img/missing.png"><p style="color: red">inline</p>`);
document.querySelector('.planted').style.color = '#bbb';
const box = document.querySelector('.planted-box').style;
box.width = '60px'; box.overflow = 'hidden'; box.whiteSpace = 'nowrap';
document.querySelector('.planted-low').style.height = '20px';
const card = document.querySelector('.planted-card').style;
card.width = '60px'; card.whiteSpace = 'nowrap';"""


def test_a_close_look_sees_planted_faults(visit):
    visitor = visit("executive")
    with visitor.page.expect_response("**/missing.png"):
        visitor.page.evaluate(PLANTED)
    wrong = "\n".join(visitor.look_closely("planted-faults"))
    assert re.search(r"color-contrast: .*grey on white", wrong)
    assert "button-name" in wrong
    assert "at 360 px: “words that are longer than their box”" in wrong
    assert "at 360 px: “words that are wider than their card”" in wrong
    assert re.search(r"for a finger: “low” is \d+ by 20 px", wrong)
    heard = "\n".join(visitor.problems)
    assert "missing.png: answered 404" in heard
    assert "Content Security Policy" in heard
