"""What people come for, from the first click to the last: each journey stands alone."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.visitor import NARROW

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STAKEHOLDER = "Lena Marsh"
DEPARTMENT = "Card operations"
SCENARIO = "Customers ask again because nobody tells them what happens next."


def expect_toast(visitor, words: str) -> None:
    """Wait until the page says, or has said, that this was done."""
    if not visitor.has_scripts:
        expect(visitor.page.locator("#toasts")).to_contain_text(words)
        return
    said = re.compile(re.escape(words))
    expect(visitor.page.locator("html")).to_have_attribute("data-said", said)


def tab_to(visitor, field_id: str) -> None:
    """Press Tab until a field has the focus, as somebody without a mouse does."""
    for _ in range(120):
        if visitor.page.evaluate("document.activeElement.id") == field_id:
            return
        visitor.page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {field_id}")


def waiting(visitor) -> list[str]:
    """Return the candidates that wait, in their order, as many as the page shows."""
    queue = re.search(r'<ol class="cl-queue".*?</ol>', visitor.fetch("/triage/"), re.DOTALL)
    return re.findall(r"/triage/(T-\d+)", queue[0])


def propose(manager, theme_name: str, title: str) -> str:
    """Propose an action for the stakeholder and agree to it; return its number."""
    found = manager.find(f"/themes/?q={quote(theme_name)}", r"/themes/T-\d+")
    page = manager.open(f"/actions/new?theme={found.rsplit('/', 1)[1]}")
    page.get_by_label("What will be done").fill(title)
    page.get_by_label("Department", exact=True).select_option(DEPARTMENT)
    owner = page.get_by_label("Owner", exact=True).locator("option", has_text=STAKEHOLDER)
    page.get_by_label("Owner", exact=True).select_option(owner.get_attribute("value"))
    page.get_by_label("Live by").fill("2026-06-30")
    page.get_by_label("Drop you expect, %").fill("30")
    page.get_by_label("Smallest drop worth having, %").fill("15")
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_url(re.compile(r"/actions/A-\d+$"))
    page.get_by_role("button", name="Agree").click()
    expect_toast(manager, "is agreed")
    return page.url.rsplit("/", 1)[1]


ROLES = {
    "cx_manager": (
        ["Home", "Contacts", "Metrics", "Themes", "Triage", "Actions", "Impact", "Reports"],
        "Decide",
        {"Jobs"},
    ),
    "stakeholder": (
        ["Home", "Contacts", "Metrics", "Themes", "Triage", "Actions", "Impact", "Reports"],
        "Report",
        set(),
    ),
    "executive": (["Home", "Metrics", "Themes", "Actions", "Impact", "Reports"], "Report", set()),
    "admin": (
        ["Home", "Contacts", "Metrics", "Themes", "Triage", "Actions", "Impact", "Reports"],
        "Decide",
        {"Jobs", "Admin"},
    ),
}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_signs_in_finds_its_own_work_and_signs_out(stranger, address, own_demo, role):
    rooms, first_step, back_office = ROLES[role]
    visitor = stranger(address)
    page = visitor.sign_in(own_demo.account(role))
    links = page.get_by_role("navigation", name="The loop").locator(
        ".cl-nav-link > span:first-of-type"
    )
    assert links.all_inner_texts() == rooms
    expect(page.locator(".cl-head-actions")).to_contain_text(first_step)
    foot = page.locator(".cl-rail-foot")
    for room in ("Jobs", "Admin"):
        link = foot.get_by_role("link", name=room, exact=True)
        expect(link).to_have_count(1 if room in back_office else 0)
    visitor.sign_out()
    visitor.open("/actions/")
    assert "/sign-in?next=" in page.url
    visitor.check()


def test_the_sign_in_page_has_no_fault_and_says_when_the_two_do_not_belong_together(
    stranger, address
):
    visitor = stranger(address)
    visitor.open("/sign-in")
    assert not visitor.look_closely("sign-in")
    visitor.page.get_by_label("E-mail address").fill("nobody@northbank.example")
    visitor.page.get_by_label("Password").fill("not the password")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    assert visitor.page.get_by_label("E-mail address").input_value() == "nobody@northbank.example"
    visitor.check()


def test_a_candidate_is_accepted_with_the_keyboard_alone_and_the_decision_undone(visit):
    visitor = visit("cx_manager")
    before = waiting(visitor)
    page = visitor.open("/triage/")
    tab_to(visitor, "f-scenario")
    page.keyboard.type(SCENARIO)
    visitor.press("Escape 1")
    assert page.get_by_role("radio", name="Failure").is_checked()
    tab_to(visitor, "f-quadrant")
    visitor.press("ArrowDown ArrowDown")
    visitor.press("o")
    page.keyboard.type("Dig")
    tab_to(visitor, "f-strategy")
    page.keyboard.type("Inf")
    visitor.shoot("triage-filled-by-keyboard")
    visitor.press("Escape a")
    expect_toast(visitor, f"{before[0]} accepted, owned by Digital.")
    assert waiting(visitor)[: len(before) - 1] == before[1:]
    assert before[0] not in waiting(visitor)
    assert page.url.endswith(f"/triage/{before[1]}")
    visitor.shoot("triage-accepted")
    theme = visitor.fetch(f"/themes/{before[0]}")
    assert SCENARIO in theme
    visitor.press("u")
    page.wait_for_url(re.compile(f"/triage/{before[0]}$"))
    expect_toast(visitor, f"Taken back: {before[0]} is as it was.")
    assert waiting(visitor) == before
    visitor.check()


def test_an_incomplete_decision_says_what_is_missing_and_keeps_what_was_typed(visit):
    visitor = visit("cx_manager")
    page = visitor.open("/triage/")
    page.get_by_label("What goes wrong for the customer").fill(SCENARIO)
    visitor.press("Escape a")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Choose the department")
    expect(alert).to_contain_text("Say who values this contact")
    assert page.get_by_label("What goes wrong for the customer").input_value() == SCENARIO
    assert not visitor.look_closely("triage-incomplete")
    visitor.check()


def test_a_merge_shows_what_moves_asks_for_the_count_and_can_be_undone(visit):
    visitor = visit("cx_manager")
    before = waiting(visitor)
    key = before[-1]
    page = visitor.open(f"/triage/{key}")
    visitor.press("m")
    page.wait_for_url(re.compile(rf"/triage/{key}/merge\?into=T-\d+"))
    preview = page.locator("#preview-title").inner_text()
    found = re.fullmatch(rf"([\d,]+) contacts would move from {key} to (T-\d+)", preview)
    assert found, preview
    count, into = found.groups()
    button = page.get_by_role("button", name=f"Merge {key} into {into}")
    page.get_by_label("Why they are one").fill("Both ask for the same thing.")
    assert int(count.replace(",", "")) > 100
    assert button.is_disabled()
    page.get_by_label(f"Type {count} to go on").fill("7")
    assert button.is_disabled()
    page.get_by_label(f"Type {count} to go on").fill(count)
    visitor.shoot("merge-preview")
    button.click()
    expect_toast(visitor, f"{key} merged into {into}.")
    left = waiting(visitor)  # what the other one gained may have changed its place
    assert key not in left
    assert set(before[:-1]) <= set(left)
    visitor.press("u")
    page.wait_for_url(re.compile(f"/triage/{key}$"))
    assert waiting(visitor) == before
    visitor.check()


def test_a_stakeholder_starts_an_action_and_hands_it_back_with_a_reason(visit):
    title = "Say on the phone when the PIN can be used again"
    key = propose(visit("cx_manager"), "PIN blocked", title)
    visitor = visit("stakeholder", STAKEHOLDER)
    page = visitor.open(f"/actions/{key}")
    page.get_by_role("button", name="Start").click()
    expect_toast(visitor, f"{key} is in progress.")
    page.get_by_text("Hand it back", exact=True).click()
    page.get_by_label("Why can it not be done here?").fill("The line is run by another firm.")
    page.get_by_role("button", name="Hand back to the working group").click()
    expect(page.locator("main .cl-notice")).to_contain_text("The line is run by another firm.")
    assert not visitor.look_closely("action-handed-back")
    visitor.check()
    manager = visit("cx_manager")
    board = manager.open("/actions/").get_by_role("region", name="Board of actions")
    ticket = board.locator("li", has_text=key)
    expect(ticket).to_contain_text("Handed back: The line is run by another firm.")
    manager.check()


def test_a_shipped_action_has_its_plan_frozen_and_claims_nothing_yet(visit):
    manager = visit("cx_manager")
    key = propose(manager, "Card lost or stolen", "Block a lost card in the app with one tap")
    visitor = visit("stakeholder", STAKEHOLDER)
    page = visitor.open(f"/actions/{key}/ship")
    page.get_by_label("Went live on").fill("2026-05-04")
    page.get_by_label("Days until everybody had it").fill("5")
    page.get_by_role("button", name="Show what will be measured").click()
    frozen = page.locator("section", has_text="What shipping does")
    expect(frozen).to_contain_text("4 May 2026 to 8 May 2026, roll-out")
    expect(frozen).to_contain_text("9 May 2026")
    assert not visitor.look_closely("ship-preview")
    page.get_by_role("button", name="Ship, live since 4 May").click()
    page.wait_for_url(re.compile(f"/impact/{key}$"))
    plan = page.locator("section", has_text="The plan, frozen at ship")
    expect(plan).to_contain_text("5 days of roll-out, counted from 9 May 2026")
    expect(plan).to_contain_text("15 % fewer contacts or better")
    expect(plan).to_contain_text(STAKEHOLDER)
    assert not visitor.look_closely("impact-not-measured")
    page = visitor.open(f"/actions/{key}")
    expect(page.locator("main")).to_contain_text("frozen when it was shipped")
    expect(page.get_by_role("link", name="Change")).to_have_count(0)
    page = visitor.open(f"/actions/{key}/edit")
    expect(page.locator("body")).to_contain_text("its plan can no longer change")
    visitor.check()
    page = manager.open(f"/impact/{key}")
    page.get_by_role("button", name="Measure now").click()
    expect(page.locator(".cl-answer-text")).to_contain_text("Too early to say.")
    manager.check()


STORIES = {
    "new card is posted": (
        "At least",
        "contacts avoided since 7 February 2026",
        "The fall is at least the 15 % worth having",
    ),
    "label off card payments": (
        "The contacts moved to themes beside it.",
        "no fall can be shown",
        "not counted as a success",
    ),
    "date of a refund": ("It came back, since", "Contacts about T-", "rose again above the level"),
    "pending top-ups": (
        "No change can be shown.",
        "zero is in that range",
        "A fall of the 10 % worth having",
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_each_story_of_the_demo_is_told_honestly_and_reproduces(visit, own_demo, title):
    action = next(a for a in own_demo.summary["actions"] if title in a["title"])
    visitor = visit("cx_manager")
    page = visitor.open(f"/impact/{action['key']}")
    said = visitor.say()
    for words in STORIES[title]:
        assert words in said
    sentence = page.locator(".cl-answer-text").inner_text()
    page.get_by_role("button", name="Measure now").click()
    expect(page.locator("#toasts")).to_contain_text(re.compile("is measured|Nothing has changed"))
    assert page.locator(".cl-answer-text").inner_text() == sentence
    page.get_by_role("button", name="Reproduce").click()
    expect_toast(visitor, "came out the same, digit for digit.")
    assert page.locator(".cl-answer-text").inner_text() == sentence
    visitor.check()


def test_a_verdict_is_signed_off_by_somebody_else_than_its_owner_without_javascript_too(
    visit, stranger, address, own_demo
):
    action = next(a for a in own_demo.summary["actions"] if "new card is posted" in a["title"])
    path, reader = f"/impact/{action['key']}", own_demo.account("executive")
    owner = visit("stakeholder", STAKEHOLDER)
    card = owner.open(path).locator("#sign-off")
    expect(card).to_contain_text(f"You own {action['key']}, or owned it when it was shipped")
    expect(card.get_by_role("button", name="stand by it")).to_have_count(0)
    visitor = stranger(address, has_scripts=False)
    visitor.sign_in(reader)
    page = visitor.open(path)
    card = page.locator("#sign-off")
    expect(card).to_contain_text("Nobody has stood by this verdict yet.")
    card.get_by_label("Note").fill("It fits what the branches hear.")
    card.get_by_role("button", name="I have read it and stand by it").click()
    expect_toast(visitor, "You signed it off.")
    expect(card).to_contain_text(f"{reader['name']} stands by it")
    expect(card).to_contain_text("“It fits what the branches hear.”")
    expect(card.get_by_role("button", name="stand by it")).to_have_count(0)
    expect(owner.open(path).locator("#sign-off")).to_contain_text(f"{reader['name']} stands by it")
    visitor.check()
    owner.check()


def test_the_report_prints_on_one_page_of_a4_from_a_dark_screen_too(visit):
    visitor = visit("executive")
    for scheme in ("light", "dark"):
        visitor.page.emulate_media(color_scheme=scheme)
        visitor.open("/reports/")
        printed = visitor.page.pdf(prefer_css_page_size=True, print_background=True)
        assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) == 1
        width, height = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)", printed).groups()
        assert (round(float(width)), round(float(height))) in {(595, 842), (596, 842)}
    visitor.check()


def test_without_javascript_people_sign_in_filter_decide_undo_and_sign_out(
    stranger, address, own_demo
):
    visitor = stranger(address, has_scripts=False)
    visitor.sign_in(own_demo.account("cx_manager"))
    page = visitor.open("/contacts/?q=refund")
    page.get_by_label("Channel").select_option(index=1)
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile("channel="))
    assert page.locator("tbody tr").count() > 5
    page = visitor.open("/triage/")
    key = waiting(visitor)[0]
    page.get_by_label("What goes wrong for the customer").fill(SCENARIO)
    page.get_by_text("Failure", exact=False).first.click()
    page.get_by_text("Eliminate", exact=True).click()
    page.get_by_label("Department").select_option("Digital")
    page.get_by_label("First lever").select_option(index=1)
    page.get_by_role("button", name="Accept as theme").click()
    expect_toast(visitor, f"{key} accepted, owned by Digital.")
    visitor.shoot("triage-accepted-without-javascript")
    page.get_by_role("button", name="Undo").click()
    expect_toast(visitor, f"Taken back: {key} is as it was.")
    visitor.sign_out()
    visitor.check()


def test_keys_go_anywhere_and_the_key_sheet_says_which(visit):
    visitor = visit("cx_manager")
    page = visitor.page
    visitor.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet).to_be_visible()
    visitor.press("g t")  # while the sheet is open, keys do not act behind it
    visitor.press("Escape")
    expect(sheet).to_be_hidden()
    for key, path in {"t": "/themes/", "q": "/triage/", "a": "/actions/", "i": "/impact/"}.items():
        visitor.press(f"g {key}")
        page.wait_for_url(f"{visitor.address}{path}")
    visitor.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("g t")
    assert page.url.endswith("/impact/")
    visitor.press("Escape j")
    title = page.locator("[data-row].is-cursor a[data-open]").inner_text()
    visitor.press("Enter")
    expect(page.locator("h1")).to_have_text(title)
    visitor.check()


def test_escape_closes_the_menu_of_a_phone_and_goes_back_to_its_button(visit):
    page = visit("executive").page
    page.set_viewport_size(NARROW)
    toggle = page.get_by_role("button", name="Menu")
    toggle.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Tab")

    page.keyboard.press("Escape")

    expect(toggle).to_have_attribute("aria-expanded", "false")
    expect(toggle).to_be_focused()


def test_single_keys_can_be_turned_off(visit):
    visitor = visit("executive")
    page = visitor.page
    visitor.press("?")
    page.get_by_label("Single keys are on").uncheck()
    visitor.press("Escape g t")
    page.wait_for_timeout(300)
    assert page.url == f"{visitor.address}/"
    visitor.check()


def test_light_or_dark_is_remembered_against_the_system(visit):
    visitor = visit("executive")
    page = visitor.page
    scheme = "document.documentElement.getAttribute('data-bs-theme')"
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(scheme) == "dark"
    visitor.open("/themes/")
    assert page.evaluate(scheme) == "dark"
    assert page.evaluate(paper) != light
    visitor.check()
