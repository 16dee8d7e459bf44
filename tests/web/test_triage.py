"""Triage in the browser: one candidate at a time, decided, and taken back."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.clock import as_if
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import Contact, Theme, TriageDecision
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.rollups import make_evidence, make_likeness
from tests.factories.series import make_definitions
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of


def make_queue(session, n=3):
    """Add candidates, the first of highest priority."""
    themes = []
    for place in range(n):
        theme = make_theme(session, name=f"Candidate {'ABCDEFGHIJ'[place]}")
        make_stats(session, theme, priority=90.0 - place)
        themes.append(theme)
    return themes


def answers(session, **changes):
    department = make_department(session, changes.pop("department", None))
    return {
        "name": "Sign-in code does not arrive",
        "scenario": "Customers cannot sign in because the code comes late or not at all.",
        "demand_type": "failure",
        "quadrant": "simplify",
        "department_id": str(department.id),
        "strategy": "inform",
        "owner_id": "",
        **changes,
    }


def test_index_without_candidates_says_what_comes_here(manager, session):
    assert "No candidates yet" in manager.get("/triage/")
    make_theme(session, ThemeStatus.HELD)
    assert "Nothing waits for a decision" in manager.get("/triage/")


def test_index_shows_the_most_important_candidate(manager, session):
    first, second, _ = make_queue(session)
    contact = make_contact(session, theme=first, text="I press send code and nothing comes.")
    make_evidence(session, first, contact)

    html = manager.get("/triage/")
    text = text_of(html)

    assert "Candidate 1 of 3" in text
    assert "I press send code and nothing comes." in text
    assert f'href="/triage/{second.key}" data-key="j"' in html
    assert 'data-key="k"' not in html
    assert "Avoidable minutes a month" in text


def test_show_steps_forwards_and_backwards(manager, session):
    first, second, third = make_queue(session)

    html = manager.get(f"/triage/{second.key}")

    assert f'href="/triage/{third.key}" data-key="j"' in html
    assert f'href="/triage/{first.key}" data-key="k"' in html


def test_show_offers_every_key(manager, session):
    first, second = make_queue(session, 2)
    make_likeness(session, first, second)

    html = manager.get(f"/triage/{first.key}")

    for key in "123oampdj":
        assert f'data-key="{key}"' in html, key
    assert f'href="/triage/{first.key}/merge?into={second.key}"' in html


def test_show_of_a_decided_theme_leads_to_it(manager, session):
    theme = make_theme(session, ThemeStatus.ACTING)

    response = manager.raw(f"/triage/{theme.key}")

    assert (response.status_code, response.location) == (303, f"/themes/{theme.key}")


def test_triage_without_departments_says_who_adds_them(manager, session, sign_in_as):
    make_queue(session)
    assert "There is none yet: an administrator adds departments." in text_of(
        manager.get("/triage/")
    )
    html = sign_in_as(Role.ADMIN).get("/triage/")
    assert 'There is none yet: <a href="/admin/departments">add departments</a>.' in html

    make_department(session)
    assert "There is none yet" not in manager.get("/triage/")


def test_accept_records_the_answers_and_goes_on_to_the_next(manager, session):
    _, second, third = make_queue(session)
    owner = make_user(session, Role.STAKEHOLDER)
    form = answers(session, department="Card operations", owner_id=str(owner.id))

    response = manager.post(f"/triage/{second.key}/accept", form)

    assert response.location == f"/triage/{third.key}"
    theme = session.get(Theme, second.id)
    assert theme.status is ThemeStatus.TRIAGED
    assert (theme.customer_values, theme.company_values) == (False, True)
    assert (theme.demand_type, theme.strategy) == (DemandType.FAILURE, Strategy.INFORM)
    assert theme.owner_id == owner.id
    html = manager.get(response.location)
    assert f"{second.key} accepted, owned by Card operations." in text_of(html)
    decision = session.scalars(sa.select(TriageDecision)).one()
    assert f'action="/triage/decisions/{decision.id}/undo"' in html


def test_accepting_does_not_undo_what_somebody_named_since_the_page_was_opened(
    sign_in_as, manager, session
):
    (theme,) = make_queue(session, 1)
    html = manager.get(f"/triage/{theme.key}")
    seen = {
        f"seen_{field}": re.search(rf'name="seen_{field}" value="([^"]*)"', html)[1]
        for field in ("name", "scenario")
    }
    other = sign_in_as(Role.CX_MANAGER)
    other.post(f"/themes/{theme.key}/name", {"name": "Code comes too late"})

    form = answers(session, name=theme.name + " again") | seen
    page = manager.post(f"/triage/{theme.key}/accept", form, status=409)

    assert "It says now: “Code comes too late”" in text_of(page.text)
    assert f'value="{form["name"]}"' in page.text
    stands = session.get(Theme, theme.id)
    assert (stands.status, stands.name) == (ThemeStatus.CANDIDATE, "Code comes too late")

    again = form | {"seen_name": "Code comes too late"}
    assert 'name="seen_name" value="Code comes too late"' in page.text
    manager.post(f"/triage/{theme.key}/accept", again)
    assert session.get(Theme, theme.id).name == form["name"]


def test_accepting_under_the_name_somebody_else_gave_meanwhile_is_no_conflict(manager, session):
    (theme,) = make_queue(session, 1)
    form = answers(session) | {"seen_name": "As it was", "seen_scenario": ""}
    manager.post(f"/themes/{theme.key}/name", {"name": form["name"]})

    manager.post(f"/triage/{theme.key}/accept", form)

    assert session.get(Theme, theme.id).status is ThemeStatus.TRIAGED


def test_accept_of_the_last_goes_back_to_the_one_before(manager, session):
    first, second = make_queue(session, 2)

    response = manager.post(f"/triage/{second.key}/accept", answers(session))
    assert response.location == f"/triage/{first.key}"
    response = manager.post(f"/triage/{first.key}/accept", answers(session))
    assert response.location == "/triage/"


def test_accept_without_answers_names_each_and_keeps_the_rest(manager, session):
    (theme,) = make_queue(session, 1)

    response = manager.post(f"/triage/{theme.key}/accept", {"name": "Kept name"}, status=422)
    text = text_of(response.text)

    for sentence in (
        "Say in one sentence what goes wrong for the customer.",
        "Say what kind of demand it is.",
        "Say who values this contact.",
        "Choose the department",
        "Choose the first lever.",
    ):
        assert sentence in text
    assert "Kept name" in response.text
    assert session.get(Theme, theme.id).status is ThemeStatus.CANDIDATE


def test_accept_twice_is_refused(manager, session):
    (theme,) = make_queue(session, 1)
    form = answers(session)
    manager.post(f"/triage/{theme.key}/accept", form)

    response = manager.post(f"/triage/{theme.key}/accept", form, status=409)

    assert "has been decided already" in response.text


def test_undo_brings_the_candidate_back(manager, session):
    (theme,) = make_queue(session, 1)
    manager.post(f"/triage/{theme.key}/accept", answers(session))
    decision = session.scalars(sa.select(TriageDecision)).one()

    response = manager.post(f"/triage/decisions/{decision.id}/undo")

    assert response.location == f"/triage/{theme.key}"
    restored = session.get(Theme, theme.id)
    assert (restored.status, restored.name) == (ThemeStatus.CANDIDATE, "Candidate A")
    manager.post(f"/triage/decisions/{decision.id}/undo", status=409)


def make_pair(session, contacts):
    """Add a candidate with so many contacts, and an open theme to merge it into."""
    theme, into = make_queue(session, 1)[0], make_theme(session, ThemeStatus.ACTING)
    make_stats(session, into)
    make_definitions(session, [theme, into])
    batch = make_batch(session)
    customers = [make_customer(session) for _ in range(6)]
    for n in range(contacts):
        make_contact(
            session,
            theme=theme,
            cluster=0,
            customer=customers[n % 6],
            batch=batch,
            text="The code comes too late.",
            started_at=datetime(2026, 3, 1 + n % 28, n % 24, tzinfo=UTC),
        )
    for customer in customers[:5]:
        contact = make_contact(session, theme=into, cluster=1, customer=customer, batch=batch)
    make_evidence(session, into, contact)
    return theme, into


def test_merge_previews_before_it_asks(manager, session):
    theme, into = make_pair(session, 12)

    text = text_of(manager.get(f"/triage/{theme.key}/merge?into={into.key}"))

    assert f"12 contacts would move from {theme.key} to {into.key}" in text
    assert "12 contacts, 6 customers" in text
    assert "17 contacts, 6 customers" in text
    assert "My card has not arrived." in text
    assert "to go on" not in text


def test_a_merge_of_few_customers_leads_to_the_contacts_of_that_theme_alone(manager, session):
    theme, into = make_pair(session, 4)

    html = manager.get(f"/triage/{theme.key}/merge?into={into.key}")
    link = re.search(r'<a href="([^"]+)">among the contacts</a>', html)

    assert link is not None
    listed = text_of(manager.get(link[1]))
    assert "4 contacts" in listed
    assert "was not understood" not in listed


def test_merge_without_a_target_asks_for_one(manager, session):
    theme, into = make_pair(session, 1)

    html = manager.get(f"/triage/{theme.key}/merge")

    assert f'<option value="{into.key}">' in html
    assert "would move" not in html
    manager.post(f"/triage/{theme.key}/merge", {"reason": "Same."}, status=422)


def test_merge_moves_the_contacts_and_can_be_undone(manager, session):
    theme, into = make_pair(session, 12)

    form = {"into": into.key, "reason": "The same letter."}
    response = manager.post(f"/triage/{theme.key}/merge", form)

    assert response.location == "/triage/"
    assert count_in(session, into) == 17
    assert f"{theme.key} merged into {into.key}." in text_of(manager.get("/triage/"))
    decision = session.scalars(sa.select(TriageDecision)).one()
    assert f"/triage/decisions/{decision.id}/undo" in manager.get(f"/themes/{into.key}")
    manager.post(f"/triage/decisions/{decision.id}/undo")
    assert (count_in(session, theme), count_in(session, into)) == (12, 5)


def count_in(session, theme):
    query = sa.select(sa.func.count()).where(Contact.theme_id == theme.id)
    return session.scalar(query)


def test_merge_of_more_than_a_hundred_contacts_needs_their_number(manager, session):
    theme, into = make_pair(session, 101)
    url = f"/triage/{theme.key}/merge"
    form = {"into": into.key, "reason": "The same letter."}

    assert "Type 101 to go on" in text_of(manager.get(f"{url}?into={into.key}"))
    for typed in ("", "100"):
        response = manager.post(url, {**form, "typed_count": typed}, status=422)
        assert "Type 101 to merge" in response.text
        assert "The same letter." in response.text
    assert count_in(session, into) == 5
    manager.post(url, {**form, "typed_count": "101"})
    assert count_in(session, into) == 106


def test_merge_without_a_reason_asks_why(manager, session):
    theme, into = make_pair(session, 2)

    response = manager.post(f"/triage/{theme.key}/merge", {"into": into.key}, status=422)

    assert "a merge needs a reason" in response.text


def test_merge_lists_every_contact_that_would_move_page_by_page(manager, session):
    theme, into = make_pair(session, 60)
    url = f"/triage/{theme.key}/merge?into={into.key}"

    first = manager.get(url)
    rest = re.search(r'href="([^"]+)"[^>]*>Show more', first)[1].replace("&amp;", "&")
    pages = [first, manager.get(rest)]

    listed = [re.findall(r'href="/contacts/(\d+)" data-open', html) for html in pages]
    moving = session.scalars(sa.select(Contact).where(Contact.theme_id == theme.id)).all()
    newest = sorted(moving, key=lambda one: (one.started_at, one.id), reverse=True)
    assert [len(ids) for ids in listed] == [50, 10]
    assert [int(one) for ids in listed for one in ids] == [one.id for one in newest]
    assert "50 of 60 shown" in text_of(pages[0])
    assert "10 of 60 shown" in text_of(pages[1])
    assert "Show more" not in pages[1]
    assert f'href="{url}"' in pages[1].replace("&amp;", "&")
    assert "listed among the contacts only" not in text_of(pages[0])
    assert "shown" not in text_of(manager.get(f"/triage/{theme.key}/merge"))


def test_the_list_of_a_merge_goes_on_behind_a_contact_that_left_and_begins_anew_behind_none(
    manager, session
):
    theme, into = make_pair(session, 6)
    url = f"/triage/{theme.key}/merge?into={into.key}"
    rows = re.findall(r'href="/contacts/(\d+)" data-open', manager.get(url))
    assert len(rows) == 6

    for nonsense in (0, 999_999, "x"):
        html = manager.get(f"{url}&after={nonsense}")
        assert re.findall(r'href="/contacts/(\d+)" data-open', html) == rows

    session.get_one(Contact, int(rows[2])).theme_id = into.id
    session.flush()
    html = manager.get(f"{url}&after={rows[2]}")
    assert re.findall(r'href="/contacts/(\d+)" data-open', html) == rows[3:]


def test_merge_hides_the_size_of_a_theme_with_few_customers(manager, session):
    theme, into = make_pair(session, 4)

    text = text_of(manager.get(f"/triage/{theme.key}/merge?into={into.key}"))

    assert "A few contacts would move" in text
    assert "4 contacts" not in text
    assert "9 contacts" not in text, "the sum would tell it"
    assert "are listed among the contacts only" in text
    assert "1 to 4" not in text


def test_park_sets_aside_until_a_day(manager, session):
    first, second = make_queue(session, 2)
    assert 'type="date"' in manager.get(f"/triage/{first.key}/park")

    form = {"until": "2100-01-01", "reason": "The limit goes up in June."}
    response = manager.post(f"/triage/{first.key}/park", form)

    assert response.location == f"/triage/{second.key}"
    text = text_of(manager.get(response.location))
    assert "1 Jan 2100" in text
    assert "The limit goes up in June." in text


def test_late_in_the_evening_tomorrow_is_the_next_reporting_day(manager, session):
    theme = make_queue(session, 1)[0]
    # 13 May in London already, which is where the days of this site begin
    with as_if(datetime(2026, 5, 12, 23, 30, tzinfo=UTC)):
        form = {"until": "2026-05-13", "reason": "Later."}
        assert "after today" in manager.post(f"/triage/{theme.key}/park", form, status=422).text
        manager.post(f"/triage/{theme.key}/park", {**form, "until": "2026-05-14"})
    assert theme.status is ThemeStatus.PARKED


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"until": "soon", "reason": "Later."}, "Choose the day on which it comes back"),
        ({"until": "2020-01-01", "reason": "Later."}, "Choose a day after today"),
        ({"until": "2100-01-01", "reason": " "}, "parking needs a reason"),
    ],
)
def test_park_refuses_in_a_sentence_and_keeps_what_was_typed(manager, session, form, sentence):
    (theme,) = make_queue(session, 1)

    response = manager.post(f"/triage/{theme.key}/park", form, status=422)

    assert sentence in response.text
    assert form["until"] in response.text


def test_dismiss_needs_a_reason_and_can_be_undone(manager, session):
    (theme,) = make_queue(session, 1)
    url = f"/triage/{theme.key}/dismiss"
    assert "Later runs do not propose it again" in manager.get(url)
    manager.post(url, {"reason": ""}, status=422)

    manager.post(url, {"reason": "Unrelated questions."})

    assert session.get(Theme, theme.id).status is ThemeStatus.RETIRED
    decision = session.scalars(sa.select(TriageDecision)).one()
    manager.post(f"/triage/decisions/{decision.id}/undo")
    assert session.get(Theme, theme.id).status is ThemeStatus.CANDIDATE


def test_stakeholders_see_the_queue_but_do_not_decide(sign_in_as, session):
    (theme,) = make_queue(session, 1)
    page = sign_in_as(Role.STAKEHOLDER)

    html = page.get("/triage/")

    assert "Candidate A" in html
    assert "/accept" not in html
    assert "/merge" not in html
    for verb in ("accept", "merge", "park", "dismiss"):
        page.post(f"/triage/{theme.key}/{verb}", {}, status=403)
    page.post("/triage/decisions/1/undo", status=403)


def test_executives_do_not_see_the_queue(sign_in_as):
    sign_in_as(Role.EXECUTIVE).get("/triage/", status=403)


def test_number_of_statements_does_not_grow_with_the_queue(manager, session):
    first, second = make_queue(session, 2)
    make_likeness(session, first, second)
    before = statements_of(manager, "/triage/")
    for theme in make_queue(session, 8):
        make_likeness(session, first, theme, 0.3)
        make_evidence(session, first, make_contact(session, theme=first), rank=theme.id)

    assert statements_of(manager, f"/triage/{first.key}") == before
    assert before <= 14


def test_a_candidate_of_unknown_customers_can_be_judged(manager, session):
    theme = make_theme(session)
    make_stats(session, theme, customers=0, unidentified=486, handled=0, handle_seconds=0)
    contact = make_contact(session, theme=theme, text="They took the money twice.")
    make_evidence(session, theme, contact)

    text = text_of(manager.get(f"/triage/{theme.key}"))

    assert "They took the money twice." in text
    assert "Avoidable minutes a month – 50" in text
    assert "Customers – 50" in text
    assert "– not known: no contact names one" in text
    assert "– not known: no contact has a handle time" in text


def test_a_merge_of_unknown_customers_says_so(manager, session):
    source, into = make_theme(session), make_theme(session, ThemeStatus.TRIAGED)
    batch = make_batch(session)
    for theme in (source, into):
        for _ in range(6):
            make_contact(session, theme=theme, batch=batch)

    text = text_of(manager.get(f"/triage/{source.key}/merge?into={into.key}"))

    assert "6 contacts, customers not known" in text
    assert "12 contacts, customers not known" in text
