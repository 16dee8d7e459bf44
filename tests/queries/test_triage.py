"""The queue, one candidate's arithmetic, and what a merge would do."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from closedloop.domain.errors import Invalid, NotFound
from closedloop.domain.themes import DemandType, ThemeStatus
from closedloop.queries.triage import (
    get_candidate,
    list_candidates,
    list_merge_targets,
    list_parked,
    preview_merge,
)
from closedloop.services.triage import park_theme
from tests.factories.contacts import make_contact, make_customer
from tests.factories.rollups import make_evidence, make_likeness
from tests.factories.themes import make_stats, make_theme


def test_list_candidates_puts_the_highest_priority_first_and_uncounted_last(session):
    low, high, uncounted = (make_theme(session) for _ in range(3))
    make_stats(session, low, priority=10.0)
    make_stats(session, high, priority=90.0, customers=4)
    make_theme(session, ThemeStatus.TRIAGED)

    queue = list_candidates(session, k=5)

    assert [c.key for c in queue] == [high.key, low.key, uncounted.key]
    assert [c.is_small for c in queue] == [True, False, False]


def test_list_parked_says_when_and_why(session, actor):
    later, sooner = make_theme(session), make_theme(session)
    for theme, until in ((later, date(2101, 1, 1)), (sooner, date(2100, 1, 1))):
        park_theme(
            session,
            theme_id=theme.id,
            until=until,
            reason=f"For {until}.",
            today=date(2026, 5, 12),
            by=actor,
        )

    parked = list_parked(session)

    assert [(p.key, p.reason, p.decided_by) for p in parked] == [
        (sooner.key, "For 2100-01-01.", "Priya Nair"),
        (later.key, "For 2101-01-01.", "Priya Nair"),
    ]


def test_get_candidate_shows_the_arithmetic_of_its_priority(session):
    theme = make_theme(session)
    make_stats(
        session,
        theme,
        customers=300,
        mature=100,
        repeats_any=30,
        repeats_same=20,
        handle_seconds=540_000,
        contacts_4_weeks=150,
        contacts_4_weeks_before=100,
    )
    for customers in (100, 500):
        other = make_theme(session, ThemeStatus.ACTING, demand_type=DemandType.FAILURE)
        make_stats(session, other, customers=customers)
    closed = make_theme(session, ThemeStatus.CLOSED)
    make_stats(session, closed, customers=200)

    priority = get_candidate(session, theme.key, k=5).priority

    assert [part.value for part in priority.parts] == pytest.approx([600, 300, 0.3, 0.5])
    assert priority.parts[1].rank == 50.0
    assert priority.compared == 3
    assert priority.points == pytest.approx(sum(part.points for part in priority.parts))


def test_get_candidate_of_few_customers_shows_neither_figures_nor_priority(session):
    theme = make_theme(session)
    make_stats(session, theme, customers=4)
    make_evidence(session, theme, make_contact(session, theme=theme))

    candidate = get_candidate(session, theme.key, k=5)

    assert candidate.is_small
    assert (candidate.figures, candidate.priority, candidate.quotes) == (None, None, ())


def test_list_merge_targets_offers_no_candidate_to_an_agreed_theme(session):
    candidate, agreed = make_theme(session), make_theme(session, ThemeStatus.ACTING)
    other = make_theme(session, ThemeStatus.MEASURING)
    make_theme(session, ThemeStatus.RETIRED)

    assert [key for key, _ in list_merge_targets(session, agreed)] == [other.key]
    assert {key for key, _ in list_merge_targets(session, candidate)} == {agreed.key, other.key}


def fill(session, theme, customers, contacts_each=1):
    for customer in customers:
        for n in range(contacts_each):
            at = datetime(2026, 3, 2, 10 + n, tzinfo=UTC)
            last = make_contact(session, theme=theme, customer=customer, started_at=at)
    return last


def test_preview_merge_counts_shared_customers_once(session):
    theme, into = make_theme(session), make_theme(session, ThemeStatus.ACTING)
    customers = [make_customer(session) for _ in range(8)]
    evidence = fill(session, theme, customers[:6])
    fill(session, into, customers[2:], contacts_each=2)
    make_contact(session, theme=into)  # unidentified
    make_evidence(session, theme, evidence)
    make_evidence(session, theme, evidence, kind="contrary")

    preview = preview_merge(session, theme.id, into.id)

    assert preview.moves == 6
    assert (preview.source.contacts, preview.source.customers) == (6, 6)
    assert (preview.into.contacts, preview.into.customers) == (13, 6)
    assert (preview.contacts_after, preview.customers_after) == (19, 8)
    assert [quote.kind for quote in preview.source.quotes] == ["typical"]


def test_preview_merge_says_nothing_of_few_customers(session):
    theme, into = make_theme(session), make_theme(session, ThemeStatus.ACTING)
    customers = [make_customer(session) for _ in range(9)]
    evidence = fill(session, theme, customers[:4], contacts_each=3)
    fill(session, into, customers[4:])
    make_evidence(session, theme, evidence)

    preview = preview_merge(session, theme.id, into.id, k=5)

    assert preview.source.customers is None
    assert preview.source.quotes == ()
    assert preview.moves == 12


def test_preview_merge_changes_nothing(session):
    theme, into = make_theme(session), make_theme(session, ThemeStatus.ACTING)
    session.commit()

    preview_merge(session, theme.id, into.id)

    assert not session.dirty
    assert not session.new
    assert theme.status is ThemeStatus.CANDIDATE


def test_preview_merge_into_itself_or_into_nothing_is_refused(session):
    theme = make_theme(session)

    with pytest.raises(Invalid, match="into itself"):
        preview_merge(session, theme.id, theme.id)
    with pytest.raises(NotFound):
        preview_merge(session, theme.id, theme.id + 1000)


def test_get_candidate_names_its_nearest_first(session):
    theme, near, nearer = (make_theme(session) for _ in range(3))
    make_likeness(session, theme, near, 0.5)
    make_likeness(session, theme, nearer, 0.8)

    candidate = get_candidate(session, theme.key, k=5)

    assert [other.key for other in candidate.near] == [nearer.key, near.key]
