"""Runs in the browser: what each says, deciding about its parts, and comparing two."""

from __future__ import annotations

import re
from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.jobs import JobKind
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import Job, RunPart, ThemeCorrection
from tests.factories.contacts import make_contact
from tests.factories.run_sites import Site, fitting_maker_of
from tests.factories.runs import make_labels, make_part, make_run
from tests.factories.themes import make_theme
from tests.pages import text_of
from tests.statements import statements_of


@pytest.fixture
def run(session):
    return make_run(session)


def test_list_without_runs_teaches_where_to_start(manager):
    assert "No run yet" in text_of(manager.get("/themes/runs"))


def test_list_says_how_many_parts_wait(manager, session, run):
    make_part(session, run)
    make_part(session, run, state=PartState.DECLINED)

    html = manager.get("/themes/runs")

    assert f'href="/themes/runs/{run.id}"' in html
    assert "1,200" in html
    assert 'class="num">1</td></tr>' in html


def test_what_was_looked_at_is_told_from_what_new_themes_were_looked_for_in(manager, session):
    made = make_run(session)
    made.manifest = {**made.manifest, "looked_at": 1600}
    session.flush()

    text = text_of(manager.get(f"/themes/runs/{made.id}"))

    assert "14 themes found in the 1,200 contacts that no theme you decided on takes" in text
    assert re.search(r"Contacts read\b.*?1,600 repeat contacts", text)
    assert "120 of 1,200" in text


def test_page_shows_manifest_and_parts_with_what_would_move(manager, session, run):
    card = make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")
    pin = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
    make_part(session, run, kind=PartKind.SPLIT, theme=card, name="lost card", would_move=75)
    merged = make_part(
        session, run, kind=PartKind.MERGED, theme=pin, score=0.87, detail={"into": card.id}
    )

    html = manager.get(f"/themes/runs/{run.id}")
    text = text_of(html)

    assert "“lost card” stands apart in it" in text
    assert f"is one with {card.key} Cards come late" in text
    assert "87 %" in text
    assert f'name="part" value="{merged.id}"' in html
    assert "words@1" in text
    assert "resolution 1.5" in text
    assert "honoured 3 of 4" in text
    assert "1 January 2026 to 31 March 2026" in text or "1 Jan 2026 to 31 Mar 2026" in text
    assert "2 parts wait for a decision" in text


def correct(session, theme, belongs):
    said = ThemeCorrection(
        theme_id=theme.id,
        contact_id=make_contact(session).id,
        text_hash="a" * 64,
        belongs=belongs,
        said_by="Ana",
    )
    session.add(said)
    session.flush()
    return said


def test_page_lists_corrections_it_did_not_honour_with_contact_and_reason(manager, session):
    card = make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")
    held, apart, gone = (correct(session, card, belongs) for belongs in (True, True, False))
    missed = [[apart.id, "apart"], [gone.id, "theme_gone"]]
    told = {"said": 3, "honoured": 1, "ids": [held.id], "missed": missed}
    run = make_run(session, manifest={"corrections": told, "read_for_corrections": 2})
    other = make_run(session, manifest={"corrections": {"said": 1, "honoured": 1, "missed": []}})

    html = manager.get(f"/themes/runs/{run.id}")
    text = text_of(html)

    assert "honoured 1 of 3" in text
    assert "2 contacts were read only for these" in text
    assert f'href="/contacts/{apart.contact_id}"' in html
    assert f'href="/contacts/{held.contact_id}"' not in html
    assert f"does not belong to {card.key} Cards come late Ana theme gone: it was retired" in text
    assert "found it apart from the others of the theme" in text
    assert "did not honour" not in text_of(manager.get(f"/themes/runs/{other.id}"))


def test_a_run_lists_the_newest_of_many_corrections_in_as_few_statements(manager, session):
    card = make_theme(session, ThemeStatus.TRIAGED)
    numbers = [correct(session, card, belongs=True).id for _ in range(53)]
    few, many = (
        make_run(
            session,
            manifest={
                "corrections": {
                    "said": n,
                    "honoured": 0,
                    "missed": [[number, "apart"] for number in numbers[:n]],
                }
            },
        )
        for n in (1, 53)
    )

    text = text_of(manager.get(f"/themes/runs/{many.id}"))

    assert "the newest 50 of 53" in text
    counted = [statements_of(manager, f"/themes/runs/{run.id}") for run in (few, many)]
    assert counted[0] == counted[1]


def test_what_happened_to_candidates_is_not_called_somebodys_decision(manager, session, run):
    card, apple, lost = (make_theme(session, name=name) for name in ("Card", "Apple Pay", "Lost"))
    happened = {
        "state": PartState.ACCEPTED,
        "decided_by": "Nightly round",
        "would_move": 0,
    }
    make_part(session, run, card, kind=PartKind.NEW, score=0.0, **happened)
    make_part(
        session, run, apple, kind=PartKind.SPLIT, name="apple", detail={"from": card.id}, **happened
    )
    make_part(session, run, lost, kind=PartKind.VANISHED, contacts=14, **happened)
    agreed = make_theme(session, ThemeStatus.TRIAGED, name="Refund")
    make_part(session, run, agreed, **happened | {"would_move": 60, "decided_by": "Ana"})

    text = text_of(manager.get(f"/themes/runs/{run.id}"))

    assert "accepted by Nightly round" not in text
    assert "waits at triage" not in text  # it may have been decided there since
    assert "a new candidate – 140 – at triage, not here" in text
    assert f"a new candidate, made mostly of {card.key} Card" in text
    assert "its 14 contacts: the candidate was retired" in text
    assert "accepted by Ana" in text


def test_readers_see_a_run_and_cannot_choose(sign_in_as, session, run):
    make_part(session, run, theme=make_theme(session, ThemeStatus.TRIAGED))
    page = sign_in_as(Role.EXECUTIVE)

    html = page.get(f"/themes/runs/{run.id}")

    assert 'name="part"' not in html
    page.get(f"/themes/runs/{run.id}/parts", status=403)


def test_a_run_that_is_not_there_is_not_found(manager):
    assert "There is no run 99" in manager.get("/themes/runs/99", status=404)


def test_chosen_parts_are_shown_with_what_accepting_does(manager, session, run):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")
    part = make_part(session, run, kind=PartKind.GREW, theme=theme, would_move=60)
    other = make_part(session, run, theme=make_theme(session, ThemeStatus.TRIAGED, name="Other"))

    html = manager.get(f"/themes/runs/{run.id}/parts?part={part.id}")

    assert "About 60 contacts of those read would change" in text_of(html)
    assert f'value="{part.id}"' in html
    assert f'value="{other.id}"' not in html
    assert "typed_count" not in html


def test_a_theme_that_is_dismissed_is_not_said_to_lose_the_contacts_it_keeps(manager, session, run):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="PIN blocked")
    part = make_part(session, run, theme=theme, kind=PartKind.VANISHED, would_move=100)

    text = text_of(manager.get(f"/themes/runs/{run.id}/parts?part={part.id}"))

    assert "is dismissed" in text
    assert "No contact would change its theme." in text
    assert "0 contacts would change" in text_of(
        manager.get(f"/themes/runs/{run.id}/parts/contacts?part={part.id}")
    )


def test_choosing_nothing_says_so(manager, run):
    assert "No part is chosen" in manager.get(f"/themes/runs/{run.id}/parts")
    for what in ("accept", "decline"):
        response = manager.post(f"/themes/runs/{run.id}/parts/{what}", status=422)
        assert "Choose at least one part." in response.text


def test_accepting_queues_the_work_and_shows_it(manager, session, run):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    part = make_part(session, run, theme=theme, kind=PartKind.VANISHED, would_move=100)

    response = manager.post(f"/themes/runs/{run.id}/parts/accept", {"part": part.id})

    job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.arguments) == (JobKind.ASSIGN_THEMES, {"parts": [part.id], "count": 0})
    assert response.location == f"/jobs/{job.id}"


@pytest.fixture
def grown(database, settings, actor):
    """A theme that a run found grown by sixty contacts, with models fitted to texts."""
    site = Site(database, settings, actor, fitting_maker_of)
    site.add(CARD=40, LOST=30, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card")
    site.discover("CARD+LOST", "PIN")
    return site.parts(kind=PartKind.GREW)[0]


def test_every_contact_that_would_move_is_listed_and_accepted_by_its_number(
    manager, session, grown, monkeypatch
):
    monkeypatch.setattr("closedloop.domain.curation.COUNT_TO_TYPE_ABOVE", 59)
    url = f"/themes/runs/{grown.run_id}/parts"
    seen = f"{url}/contacts?part={grown.id}"
    assert f'href="{seen}"' in manager.get(f"{url}?part={grown.id}")

    pages = [manager.get(seen), manager.get(f"{seen}&page=2")]

    assert "60 contacts would change their theme" in text_of(pages[0])
    listed = [set(re.findall(r"LOST t\d+ turn\d", text_of(html))) for html in pages]
    assert [len(texts) for texts in listed] == [50, 10]
    assert len(listed[0] | listed[1]) == 60
    for typed in ({}, *({"typed_count": number} for number in ("", "61", "many"))):
        answer = manager.post(f"{url}/accept", {"part": grown.id, **typed}, status=422)
        assert "Type 60 to accept these parts" in answer.text
        assert "60 contacts would change their theme" in text_of(answer.text)
    manager.post(f"{url}/accept", {"part": grown.id, "typed_count": "60"})
    job = session.scalars(sa.select(Job)).one()
    assert job.arguments == {"parts": [grown.id], "count": 60}


def test_what_cannot_be_listed_says_why(manager, session, run):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    part = make_part(session, run, theme=theme)
    url = f"/themes/runs/{run.id}/parts"

    html = manager.get(f"{url}/contacts?part={part.id}")
    answer = manager.post(f"{url}/accept", {"part": part.id}, status=409)

    assert "no longer kept" in html
    assert "no longer kept" in answer.text
    assert "Choose at least one part" in manager.get(f"{url}/contacts")


def test_a_merger_of_a_theme_that_cannot_be_merged_is_told_before_it_is_asked_for(
    manager, session, run
):
    into = make_theme(session, ThemeStatus.TRIAGED)
    theme = make_theme(session, ThemeStatus.PARKED)
    part = make_part(session, run, kind=PartKind.MERGED, theme=theme, detail={"into": into.id})
    url = f"/themes/runs/{run.id}/parts"

    shown = text_of(manager.get(f"{url}?part={part.id}"))
    answer = manager.post(f"{url}/accept", {"part": part.id}, status=409)

    assert "Accept 1 part" not in shown
    assert "Decline 1 part" in shown
    for text in (shown, text_of(answer.text)):
        assert f"says of {theme.key} {theme.name} cannot be taken over as it stands" in text
        assert "Leave this part out, or decline it." in text
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 0


def test_parts_that_can_be_taken_over_go_on_without_the_one_that_cannot(manager, session, run):
    into = make_theme(session, ThemeStatus.TRIAGED)
    stuck = make_part(
        session,
        run,
        kind=PartKind.MERGED,
        theme=make_theme(session, ThemeStatus.PARKED),
        detail={"into": into.id},
    )
    free = make_part(session, run, theme=make_theme(session, ThemeStatus.TRIAGED))
    url = f"/themes/runs/{run.id}/parts"

    shown = manager.get(f"{url}?part={stuck.id}&part={free.id}")

    assert "Go on with the other part" in shown
    assert f'href="{url}?part={free.id}"' in shown
    alone = manager.get(f"{url}?part={free.id}")
    assert "Accept 1 part" in alone
    assert "Go on with" not in alone


def test_declining_is_put_down_and_changes_nothing(manager, session, run):
    part = make_part(session, run, theme=make_theme(session, ThemeStatus.TRIAGED))

    manager.post(f"/themes/runs/{run.id}/parts/decline", {"part": part.id})

    assert session.get_one(RunPart, part.id).state is PartState.DECLINED
    assert "declined by" in text_of(manager.get(f"/themes/runs/{run.id}"))


@pytest.mark.parametrize("what", ["accept", "decline"])
def test_parts_that_were_decided_meanwhile_are_refused(manager, session, run, what):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    part = make_part(session, run, theme=theme, state=PartState.SUPERSEDED)
    elsewhere = make_part(session, make_run(session), theme=theme)
    for one in (part, elsewhere):
        response = manager.post(f"/themes/runs/{run.id}/parts/{what}", {"part": one.id}, status=409)
        assert "Nothing was changed" in response.text
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 0


def test_two_runs_are_matched_by_the_texts_both_read(manager, session):
    one, other = make_run(session), make_run(session)
    texts = [f"{n:064x}" for n in range(30)]
    # Run one: card 0-9, pin 10-19, odd 20-24. Run two: card 0-11, lost 12-19; 25-29 are new to it.
    make_labels(session, one, {"card": texts[:10], "pin": texts[10:20], "odd": texts[20:25]})
    make_labels(session, other, {"cards": texts[:12], "pins": texts[12:20], "news": texts[25:]})

    text = text_of(manager.get(f"/themes/runs/{other.id}/against/{one.id}"))

    assert f"Run {one.id} against run {other.id}" in text
    assert "2 groups of contacts are in both; by the 20 contacts" in text
    assert "card 10 cards 12 83 %" in text  # 10 of 12
    assert "pin 10 pins 8 80 %" in text
    assert "news 5" in text
    assert "odd 5" in text


def test_a_run_compared_with_itself_says_so_and_not_twice_what_is_only_in_it(manager, session):
    one = make_run(session)
    make_labels(session, one, {"card": [f"{n:064x}" for n in range(9)]})

    text = text_of(manager.get(f"/themes/runs/{one.id}/against/{one.id}"))

    assert f"Run {one.id} against itself" in text
    assert "every group of contacts in common with itself" in text
    assert "card 9 card 9 100 %" in text
    assert "Only in run" not in text


def test_the_contacts_of_a_group_are_said_to_be_all_that_its_run_read(manager, session):
    one, other = make_run(session), make_run(session)
    texts = [f"{n:064x}" for n in range(20)]
    make_labels(session, one, {"card": texts[:10], "odd": texts[10:]})
    make_labels(session, other, {"cards": texts[:10]})

    html = manager.get(f"/themes/runs/{one.id}/against/{other.id}")

    assert "odd 10" in text_of(html)  # of which the other run read none
    assert "Contacts in the group whose text both runs read" not in html


def test_clusters_of_too_few_people_have_neither_name_nor_size(manager, session):
    one, other = make_run(session), make_run(session)
    texts = [f"{n:064x}" for n in range(9)]
    make_labels(session, one, {"secret": texts}, people=4)
    make_labels(session, other, {"other": texts}, people=5)

    html = manager.get(f"/themes/runs/{one.id}/against/{other.id}")

    assert "secret" not in html
    assert "fewer than 5 customers" in html


def test_runs_that_kept_no_labels_cannot_be_compared(manager, session, run):
    text = text_of(manager.get(f"/themes/runs/{run.id}/against/{run.id}", status=404))
    assert "did not keep which text" in text


def test_the_form_of_two_runs_leads_to_their_page(manager, session, run):
    other = make_run(session)
    response = manager.raw(f"/themes/runs/against?one={run.id}&other={other.id}")
    assert response.location == f"/themes/runs/{run.id}/against/{other.id}"
    assert manager.raw("/themes/runs/against?one=x").status_code == 422


def test_the_name_of_a_part_is_escaped_on_the_page_of_its_run(manager, session, run):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_part(session, run, kind=PartKind.SPLIT, theme=theme, name="<script>alert(1)</script>")
    assert "<script>alert" not in manager.get(f"/themes/runs/{run.id}")


def test_pages_ask_as_often_for_many_parts_as_for_one(manager, session, run):
    def add():
        card, pin = (make_theme(session, ThemeStatus.TRIAGED) for _ in range(2))
        make_part(session, run, kind=PartKind.MERGED, theme=pin, detail={"into": card.id})

    add()
    urls = ("/themes/runs", f"/themes/runs/{run.id}")
    first = [statements_of(manager, url) for url in urls]
    for _ in range(5):
        add()
        make_run(session, first_day=date(2026, 2, 1))
    assert [statements_of(manager, url) for url in urls] == first
    assert max(first) <= 14


def test_new_candidates_of_a_run_are_said_to_wait_at_triage(manager, session):
    made = {"born": ["T-001", "T-002"], "fewest_contacts": 36, "fewest_customers": 50}
    manifest = {"parameters": {"left_over_rate": 0.08828522}, "themes": made}
    run = make_run(session, manifest={**manifest, "themes": {**made, "clusters_too_small": 5}})

    html = manager.get(f"/themes/runs/{run.id}")

    text = text_of(html)
    assert "its 2 new candidates went to triage" in text
    assert "nothing waits for a decision" not in text
    assert "need 36 contacts among those read and 50 customers of all days" in text
    assert "5 smaller groups stay" in text
    plain, _, folded = text.partition("For whoever repeats the run")
    assert "Seed" in folded
    assert not {"Seed", "Encoder", "cluster"} & set(plain.split())
    assert "left over rate 0.08829" in text
    assert '<a href="/triage/">triage</a>' in html


def test_more_runs_than_a_page_holds_go_on_with_older_ones(manager, session):
    made = [make_run(session).id for _ in range(101)]

    html = manager.get("/themes/runs")
    older = f'href="/themes/runs?before={made[1]}"'

    assert older in html
    assert f'href="/themes/runs/{made[0]}"' not in html
    html = manager.get(f"/themes/runs?before={made[1]}")
    assert f'href="/themes/runs/{made[0]}"' in html
    assert 'href="/themes/runs">Back to the newest' in html
