"""Definitions, lineage and fit of a theme in the browser."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.domain.triage import Decision
from closedloop.models import DefinitionSet, ThemeDefinition, ThemeWeek, TriageDecision
from closedloop.queries.lineage import get_lineage
from tests.factories.contacts import make_contact
from tests.factories.runs import make_part, make_run
from tests.factories.series import make_definitions
from tests.factories.themes import make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)


def add_weeks(session, theme, lately=0.6, customers=20):
    """Give a theme a definition, 13 weeks around .8 and four of `lately`."""
    current = make_definitions(session, [theme])
    session.execute(sa.update(ThemeDefinition).values(created_at=BEGAN))
    session.execute(sa.update(DefinitionSet).values(created_at=BEGAN))
    for week in range(17):
        sure = (0.8, 0.82, 0.78)[week % 3] if week < 13 else lately
        session.add(
            ThemeWeek(
                theme_id=theme.id,
                week=(BEGAN + timedelta(weeks=week)).date(),
                definition_set_id=current.id,
                contacts=40,
                customers=customers,
                confidence=40 * sure,
            )
        )
    make_contact(session, started_at=BEGAN + timedelta(weeks=17, hours=-12))
    session.flush()


def test_page_lists_definitions_and_draws_the_lineage(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")
    make_definitions(session, [theme])

    html = manager.get(f"/themes/{theme.key}/definitions")
    text = text_of(html)

    assert "Definitions of Cards come late" in text
    assert "1, newest" in text
    assert "born" in text
    assert '<svg class="cl-lineage-mark"' in html


def test_page_names_the_languages_and_folds_what_only_a_repeater_needs(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_definitions(session, [theme])
    session.execute(sa.update(ThemeDefinition).values(languages=["lt", "zh"]))

    html = manager.get(f"/themes/{theme.key}/definitions")
    table, _, folded = html.partition("For whoever repeats the run")

    assert "Lithuanian, Chinese" in text_of(table)
    assert "encoder test" not in text_of(table)
    assert "encoder test" in text_of(folded)


def test_a_theme_without_definition_says_when_it_gets_one(manager, session):
    theme = make_theme(session)
    assert "None yet" in manager.get(f"/themes/{theme.key}/definitions")


def test_lineage_tells_splits_mergers_and_ends(session):
    run = make_run(session)
    whole = make_theme(session, ThemeStatus.TRIAGED, name="Whole")
    piece = make_theme(session, name="Piece", run_id=run.id)
    into = make_theme(session, ThemeStatus.TRIAGED, name="Into")
    make_part(
        session,
        run,
        kind=PartKind.SPLIT,
        theme=whole,
        state=PartState.ACCEPTED,
        decided_by="Ana",
        decided_at=BEGAN,
        detail={"became": piece.id},
    )
    session.add(
        TriageDecision(
            theme_id=whole.id,
            decision=Decision.MERGE,
            reason="One.",
            before={},
            detail={"into": into.id},
            decided_by="Bo",
        )
    )
    whole.status, whole.merged_into_id = ThemeStatus.MERGED, into.id
    session.flush()

    def told(theme):
        return {(step.kind.value, step.other_key) for step in get_lineage(session, theme)}

    assert told(whole) == {("born", ""), ("split off", piece.key), ("merged into", into.key)}
    assert told(piece) == {("split from", whole.key)}
    assert told(into) == {("born", ""), ("merged with", whole.key)}


def test_an_ageing_definition_is_said_on_list_theme_and_definitions(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Cards come late")
    make_stats(session, theme)
    add_weeks(session, theme)

    assert "definition ages" in text_of(manager.get("/themes/?view=all"))
    assert "60 % in the last four weeks, after 80 %" in text_of(manager.get(f"/themes/{theme.key}"))
    html = manager.get(f"/themes/{theme.key}/definitions")
    assert "This definition ages" in html
    assert 'data-chart="trend"' in html
    assert "more than 3 standard errors" in text_of(html)


def test_a_steady_definition_raises_no_alarm(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_stats(session, theme)
    add_weeks(session, theme, lately=0.8)

    assert "definition ages" not in text_of(manager.get("/themes/?view=all"))
    assert "ages" not in text_of(manager.get(f"/themes/{theme.key}"))
    assert "it holds" in text_of(manager.get(f"/themes/{theme.key}/definitions"))


def test_weeks_of_too_few_customers_are_not_given(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    add_weeks(session, theme, customers=4)

    assert 'data-chart="trend"' not in manager.get(f"/themes/{theme.key}/definitions")
    response = manager.raw(f"/themes/{theme.key}/fit.csv")
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True).lstrip("\ufeff"))))
    assert len(rows) == 17
    assert {row["contacts_with_text"] for row in rows} == {""}


def test_csv_gives_the_mean_of_each_week(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    add_weeks(session, theme)

    response = manager.raw(f"/themes/{theme.key}/fit.csv")
    rows = list(csv.DictReader(io.StringIO(response.get_data(as_text=True).lstrip("\ufeff"))))

    assert (rows[0]["week_from"], rows[0]["mean_confidence"]) == ("2026-01-05", "0.8")
    assert (rows[-1]["contacts_with_text"], rows[-1]["mean_confidence"]) == ("40", "0.6")


def test_page_asks_as_often_for_many_definitions_as_for_one(manager, session):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_definitions(session, [theme])
    url = f"/themes/{theme.key}/definitions"
    first = statements_of(manager, url)
    for number in range(2, 6):
        make_definitions(session, [theme], number=number)
    assert statements_of(manager, url) == first
    assert first <= 22
