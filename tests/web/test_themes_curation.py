"""Curating a theme in the browser: pick, look, confirm, take back; without JavaScript."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.jobs import JobKind
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Contact, ContactText, Job, Theme, ThemeChange
from closedloop.models.curation import ChangeKind
from closedloop.services.themes import discover_themes
from closedloop.services.triage import dismiss_candidate
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.rollups import make_evidence
from tests.factories.series import make_definitions
from tests.factories.theme_maker import Discoverer, make_maker
from tests.factories.themes import make_action, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def themes(session):
    """Two themes by definition, the first of 12 customers."""
    first, second = make_theme(session, name="Card"), make_theme(session, name="Refund")
    make_definitions(session, [first, second])
    batch = make_batch(session)
    for number in range(12):
        fill(session, first, batch, number, 0)
    return first, second


def fill(session, theme, batch, number, label, text="card"):
    return make_contact(
        session,
        theme=theme,
        batch=batch,
        cluster=label,
        theme_confidence=0.8,
        customer=make_customer(session),
        started_at=START + timedelta(hours=number),
        text=f"{text if text[0].isupper() else f'my {text}'} number {number} <b>",
    )


def contacts_of(session, theme):
    query = sa.select(Contact.id).where(Contact.theme_id == theme.id).order_by(Contact.id)
    return list(session.scalars(query))


def test_picking_lists_the_contacts_of_the_theme_with_a_box_each(manager, session, themes):
    html = manager.get(f"/themes/{themes[0].key}/contacts")
    assert len(re.findall(r'type="checkbox" name="id"', html)) == 12
    assert "my card number 3 &lt;b&gt;" in html
    assert f'formaction="/themes/{themes[0].key}/split"' in html
    found = manager.get(f"/themes/{themes[0].key}/contacts?q=number+7")
    assert len(re.findall(r'name="id"', found)) == 1
    assert "No contact fits" in manager.get(f"/themes/{themes[0].key}/contacts?q=nothing")
    assert "holds no contacts" in manager.get(f"/themes/{themes[1].key}/contacts")


def test_picking_goes_on_page_by_page(manager, session, themes):
    batch = make_batch(session)
    for number in range(60):
        fill(session, themes[1], batch, number, 1)
    url = f"/themes/{themes[1].key}/contacts"
    html = manager.get(url)
    more = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert len(re.findall(r'name="id"', html)) == 50
    assert len(re.findall(r'name="id"', manager.get(more))) == 10


def test_moving_shows_what_would_move_then_moves_it_and_offers_the_way_back(
    manager, session, themes
):
    first, second = themes
    one, two = contacts_of(session, first)[:2]
    html = manager.get(f"/themes/{first.key}/move?id={one}&id={two}&to={second.key}")
    text = text_of(html)
    assert f"2 contacts would move from {first.key} to {second.key}" in text
    assert "fewer than 5 customers, whole history; 10 contacts stay" in text
    assert "my card number 1 <b>" in text
    assert len(contacts_of(session, second)) == 0

    form = {"id": [str(one), str(two)], "to": second.key}
    response = manager.post(f"/themes/{first.key}/move", form)

    assert response.location == f"/themes/{first.key}"
    assert contacts_of(session, second) == [one, two]
    change = session.scalars(sa.select(ThemeChange)).one()
    html = manager.get(response.location)
    assert f'action="/themes/changes/{change.id}/undo"' in html
    listed = text_of(manager.get(f"/themes/{second.key}/changes"))
    assert f"moved 2 contacts here from {first.key} Card" in listed
    response = manager.post(f"/themes/changes/{change.id}/undo")
    assert response.location == f"/themes/{first.key}/changes"
    assert len(contacts_of(session, first)) == 12
    assert "taken back by" in text_of(manager.get(response.location))


def seen_in(html):
    return {"seen_count": re.search(r'name="seen_count" value="(\d+)"', html)[1]}


def test_what_came_in_since_the_list_was_shown_does_not_move_with_it(manager, session, themes):
    first, second = themes
    form = {"all": "1", "q": "card", "to": second.key}
    seen = seen_in(manager.get(f"/themes/{first.key}/move?all=1&q=card&to={second.key}"))
    batch = make_batch(session)
    fill(session, first, batch, 50, 0)

    response = manager.post(f"/themes/{first.key}/move", {**form, **seen}, status=409)

    assert "The list changed since it was shown" in text_of(response.text)
    assert contacts_of(session, second) == []
    manager.post(f"/themes/{first.key}/move", {**form, **seen_in(response.text)})
    assert len(contacts_of(session, second)) == 13


def test_a_theme_that_grew_since_it_was_shown_is_not_retired(manager, session, themes):
    first = themes[0]
    seen = seen_in(manager.get(f"/themes/{first.key}/retire"))
    batch = make_batch(session)
    for number in range(100, 190):
        fill(session, first, batch, number, 0)

    response = manager.post(f"/themes/{first.key}/retire", seen, status=409)

    assert "The list changed since it was shown" in text_of(response.text)
    assert 'name="typed_count"' in response.text  # 102 by now
    wrong = {"seen_count": "102"}  # the number of so many has to be typed
    manager.post(f"/themes/{first.key}/retire", wrong, status=422)
    manager.post(f"/themes/{first.key}/retire", {"typed_count": "102"})
    assert contacts_of(session, first) == []


def test_moving_without_a_target_asks_for_one_and_keeps_the_pick(manager, session, themes):
    first = themes[0]
    one = contacts_of(session, first)[0]
    html = manager.get(f"/themes/{first.key}/move?id={one}")
    assert f'name="id" value="{one}"' in html
    assert "would move" not in text_of(html).split("Show what would move")[-1]
    response = manager.post(f"/themes/{first.key}/move", {"id": str(one)}, status=422)
    assert "Choose the theme they belong to" in text_of(response.text)
    response = manager.post(f"/themes/{first.key}/move", {"to": "none"}, status=422)
    assert "Pick at least one contact" in text_of(response.text)


def test_moving_out_says_that_they_belong_nowhere_yet(manager, session, themes):
    first = themes[0]
    one = contacts_of(session, first)[0]
    manager.post(f"/themes/{first.key}/move", {"id": str(one), "to": "none"})
    assert session.get(Contact, one).theme_id is None
    assert "out of it, to no theme yet" in text_of(manager.get(f"/themes/{first.key}/changes"))


def test_more_than_a_hundred_need_their_number_typed(manager, session, themes):
    first, second = themes
    batch = make_batch(session)
    for number in range(101):
        fill(session, second, batch, number, 1)
    url = f"/themes/{second.key}/move?all=1&to={first.key}"
    html = manager.get(url)
    assert 'data-confirm-count="101"' in html
    # The 12 of the other theme that say the very same are where they belong already.
    assert "1 to 50 of 101" in text_of(html)
    more = re.search(r'rel="next" href="([^"]+)"', html)[1].replace("&amp;", "&")
    assert "51 to 100 of 101" in text_of(manager.get(more))
    form = {"all": "1", "to": first.key}
    for typed in ({}, {"typed_count": "100"}, {"typed_count": "a lot"}):
        response = manager.post(f"/themes/{second.key}/move", form | typed, status=422)
        assert "Type 101 to move them" in text_of(response.text)
    response = manager.post(f"/themes/{second.key}/retire", status=422)
    assert "Type 101 to retire the theme" in text_of(response.text)
    manager.post(f"/themes/{second.key}/move", form | {"typed_count": "1 01"})
    assert len(contacts_of(session, first)) == 113


def test_a_theme_too_large_to_pick_whole_says_what_to_do_instead(
    manager, session, themes, monkeypatch
):
    for room in ("web.themes_curation", "services.change_previews"):
        monkeypatch.setattr(f"closedloop.{room}.MOST_CHOSEN", 11)
    url = f"/themes/{themes[0].key}"

    html = manager.get(f"{url}/contacts")
    assert 'name="all"' not in html
    assert "Up to 11 contacts can be picked all at once" in text_of(html)
    assert f'<a href="{url}/retire">retire it</a>' in html
    assert 'name="all"' in manager.get(f"{url}/contacts?q=number+7")

    for path in ("move?all=1&to=none", "split?all=1"):
        text = text_of(manager.get(f"{url}/{path}"))
        assert "More than 11 contacts are picked, the most for one change. Look for words" in text
        assert "split it by a few examples, merge it or retire it" in text
    assert "more than 11 contacts picked" in text_of(manager.get(f"{url}/move?all=1&to=none"))
    assert len(contacts_of(session, themes[0])) == 12


def test_contacts_that_left_meanwhile_are_refused_with_a_sentence(manager, session, themes):
    first, second = themes
    one = contacts_of(session, first)[0]
    manager.post(f"/themes/{first.key}/move", {"id": str(one), "to": second.key})
    response = manager.post(
        f"/themes/{first.key}/move", {"id": str(one), "to": second.key}, status=422
    )
    assert "The contact picked is not in" in text_of(response.text)


def test_splitting_begins_with_the_quotes_of_the_theme(manager, session, themes):
    first = themes[0]
    make_stats(session, first, contacts=12, customers=12)
    make_evidence(session, first, session.get(Contact, contacts_of(session, first)[4]))
    html = manager.get(f"/themes/{first.key}/split")
    assert "my card number 4 &lt;b&gt;" in html
    assert "Show what would leave" in html
    assert "No quotes are picked" in manager.get(f"/themes/{themes[1].key}/split")


def test_splitting_without_an_example_says_what_to_do(manager, session, themes):
    first = themes[0]
    make_stats(session, first, contacts=12, customers=12)
    make_evidence(session, first, session.get(Contact, contacts_of(session, first)[4]))

    html = manager.get(f"/themes/{first.key}/split")
    assert '<input type="hidden" name="look" value="1">' in html
    assert "Pick at least one contact." not in text_of(html)
    assert "Pick at least one contact." in text_of(manager.get(f"/themes/{first.key}/split?look=1"))


@pytest.fixture
def real(settings, database, actor, session, monkeypatch):
    """A theme of two things, with a real definition: the model is the tests' small one."""
    maker = make_maker(discover=_one_theme)
    monkeypatch.setattr("closedloop.services.curation.own_maker", lambda: maker)
    monkeypatch.setattr("closedloop.services.undoing.own_maker", lambda: maker)
    batch = make_batch(session)
    for number in range(8):
        fill(session, None, batch, number, None, "CARD").theme_confidence = None
        fill(session, None, batch, number, None, "CARD APPLE pay wallet phone")
    session.commit()
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
    session.expire_all()
    return session.scalars(sa.select(Theme)).one()


def _one_theme(texts, **values):
    return Discoverer()([text.replace("APPLE", "apple") for text in texts], **values)


def test_splitting_shows_what_would_leave_then_makes_the_theme(manager, session, real):
    picked = session.scalars(
        sa.select(ContactText.contact_id).where(ContactText.issue_text.contains("phone number 3"))
    ).all()
    html = manager.get(f"/themes/{real.key}/split?id={picked[0]}")
    assert f"8 contacts would leave {real.key}" in text_of(html)
    assert "1 contact picked; 7 contacts more are more like these" in text_of(html)
    form = {"id": str(picked[0])}
    response = manager.post(f"/themes/{real.key}/split", form, status=422)
    assert "Give the theme a name" in text_of(response.text)
    manager.post(f"/themes/{real.key}/split", form | {"name": "Apple Pay"})
    new = session.scalars(sa.select(Theme).where(Theme.name == "Apple Pay")).one()
    assert (new.status, len(contacts_of(session, new))) == (ThemeStatus.CANDIDATE, 8)
    listed = text_of(manager.get(f"/themes/{new.key}/changes"))
    assert f"split it off {real.key}" in listed
    change = session.scalars(sa.select(ThemeChange)).one()
    manager.post(f"/themes/changes/{change.id}/undo")
    assert len(contacts_of(session, real)) == 16


def test_retiring_and_restoring_from_the_page(manager, session, themes):
    first = themes[0]
    assert f'href="/themes/{first.key}/retire"' in manager.get(f"/themes/{first.key}")
    text = text_of(manager.get(f"/themes/{first.key}/retire"))
    assert f"12 contacts would leave {first.key}" in text
    manager.post(f"/themes/{first.key}/retire")
    assert session.get(Theme, first.id).status is ThemeStatus.RETIRED
    assert "Restore the theme" in manager.get(f"/themes/{first.key}")
    assert "12 contacts would return to" in text_of(manager.get(f"/themes/{first.key}/retire"))
    manager.post(f"/themes/{first.key}/restore")
    assert len(contacts_of(session, first)) == 12


def test_a_theme_out_of_use_offers_only_the_way_back_that_there_is(manager, session, actor, themes):
    first, second = themes
    dismiss_candidate(session, theme_id=first.id, reason="Nothing to mend.", by=actor)
    second.status = ThemeStatus.RETIRED  # as a run does

    dismissed = manager.get(f"/themes/{first.key}")
    assert "It was dismissed at triage and keeps its contacts" in dismissed
    assert re.search(r"/triage/decisions/\d+/undo", dismissed)
    by_run = manager.get(f"/themes/{second.key}")
    assert "It went with a run that no longer found it" in by_run
    for html in (dismissed, by_run):
        assert "Restore the theme" not in html


def test_a_theme_with_open_actions_is_not_retired_and_says_which(manager, session, themes):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    key = make_action(session, theme).key
    assert key in text_of(manager.get(f"/themes/{theme.key}/retire"))
    response = manager.post(f"/themes/{theme.key}/retire", status=409)
    assert key in text_of(response.text)


def test_undoing_what_something_was_built_on_says_what_to_undo_first(manager, session, themes):
    first, second = themes
    one = contacts_of(session, first)[0]
    manager.post(f"/themes/{first.key}/move", {"id": str(one), "to": second.key})
    manager.post(f"/themes/{second.key}/move", {"id": str(one), "to": "none"})
    change = session.scalar(sa.select(sa.func.min(ThemeChange.id)))
    response = manager.raw(
        f"/themes/changes/{change}/undo", "POST", data={"csrf_token": manager._token()}
    )
    assert response.status_code == 409
    assert "said something else" in text_of(response.text)


def test_a_change_of_name_tells_both_names(manager, session, themes):
    first = themes[0]
    manager.post(f"/themes/{first.key}/name", {"name": "New card has not arrived"})

    text = text_of(manager.get(f"/themes/{first.key}/changes"))
    assert "renamed it from “Card” to “New card has not arrived”" in text
    change = session.scalars(sa.select(ThemeChange)).one()
    manager.post(f"/themes/changes/{change.id}/undo")
    assert f"took back that {first.key} Card was described" in text_of(
        manager.get(f"/themes/{first.key}")
    )


def test_the_list_of_changes_says_where_merges_are_undone(manager, themes):
    html = manager.get(f"/themes/{themes[0].key}/changes")
    assert "Merges and other decisions of triage are undone in its" in text_of(html)
    assert f'href="/themes/{themes[0].key}#history-title"' in html


def test_describing_what_goes_wrong_is_kept_and_can_be_taken_back(manager, session, themes):
    first = themes[0]
    response = manager.post(f"/themes/{first.key}/scenario", {"scenario": "Late."}, status=422)
    assert "Say in one sentence what goes wrong" in text_of(response.text)
    manager.post(
        f"/themes/{first.key}/scenario", {"scenario": "The card does not come, so people call."}
    )
    assert "The card does not come" in manager.get(f"/themes/{first.key}")
    change = session.scalars(sa.select(ThemeChange)).one()
    assert "described what goes wrong" in text_of(manager.get(f"/themes/{first.key}/changes"))
    manager.post(f"/themes/changes/{change.id}/undo")
    assert session.get(Theme, first.id).scenario == ""


@pytest.mark.parametrize("role", [Role.STAKEHOLDER, Role.EXECUTIVE])
def test_nobody_but_a_manager_opens_or_sends_a_form_of_curation(sign_in_as, session, themes, role):
    page = sign_in_as(role)
    first = themes[0]
    for path in ("contacts", "move", "split", "retire"):
        page.get(f"/themes/{first.key}/{path}", status=403)
        if path != "contacts":
            page.post(f"/themes/{first.key}/{path}", status=403)
    page.post("/themes/changes/1/undo", status=403)
    assert "/undo" not in page.get(f"/themes/{first.key}/changes")
    assert "Put contacts right" not in page.get(f"/themes/{first.key}")


def test_forms_without_a_token_change_nothing(manager, session, themes):
    first = themes[0]
    response = manager.raw(f"/themes/{first.key}/retire", "POST")
    assert response.status_code == 400
    assert session.get(Theme, first.id, populate_existing=True).status is ThemeStatus.CANDIDATE


def test_pages_ask_as_much_however_many_contacts_there_are(manager, session, themes):
    first, second = themes
    batch = make_batch(session)
    for number in range(40):
        fill(session, second, batch, number, 1)
    for path in ("contacts", "move?all=1&to=none"):
        few = statements_of(manager, f"/themes/{first.key}/{path}")
        many = statements_of(manager, f"/themes/{second.key}/{path}")
        assert few == many <= 20, path


def test_parts_of_a_run_are_listed_and_taken_back_by_a_job(manager, session, themes):
    change = ThemeChange(
        theme_id=themes[0].id,
        kind=ChangeKind.PARTS,
        contacts=12,
        detail={"run": 3, "kinds": ["grew"], "parts": [31]},
        changed_by="Priya Nair",
    )
    session.add(change)
    session.commit()

    page = manager.get(f"/themes/{themes[0].key}/changes")
    assert "took over what run 3 said: it grew; 12 contacts joined or left" in text_of(page)
    assert "Undo takes back every part that was accepted together with it." in text_of(page)
    location = manager.post(f"/themes/changes/{change.id}/undo").headers["Location"]

    job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.arguments) == (JobKind.ASSIGN_THEMES, {"undo_parts": change.id})
    assert location.endswith(f"/jobs/{job.id}")


def test_more_changes_of_a_theme_than_a_page_holds_go_on_with_older_ones(manager, session, themes):
    first, second = themes
    for theme in [*[first] * 101, second]:
        session.add(
            ThemeChange(theme_id=theme.id, kind=ChangeKind.MOVE, contacts=1, changed_by="Ada")
        )
    session.commit()
    query = sa.select(ThemeChange.id).where(ThemeChange.theme_id == first.id)
    numbers = sorted(session.scalars(query))

    html = manager.get(f"/themes/{first.key}/changes")
    assert f'href="/themes/{first.key}/changes?before={numbers[1]}"' in html
    assert f"/changes/{numbers[0]}/undo" not in html
    html = manager.get(f"/themes/{first.key}/changes?before={numbers[1]}")
    assert f"/changes/{numbers[0]}/undo" in html
    assert "Show older" not in html


def test_the_ways_to_put_a_theme_right_do_not_hide_with_the_keys_on_a_narrow_screen(
    manager, themes
):
    html = manager.get(f"/themes/{themes[0].key}")
    ways = html[: html.index("Put contacts right")].rpartition("<p")[2]
    assert "cl-hints" not in ways
