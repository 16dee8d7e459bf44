"""Triage: what a decision needs, what it changes, and that it can be taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import as_if
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Contact,
    DailyRollup,
    DefinitionSet,
    Theme,
    ThemeDefinition,
    ThemeStats,
    TriageDecision,
)
from closedloop.services.themes import (
    assign_contacts,
    describe_cause,
    discover_themes,
    rename_theme,
)
from closedloop.services.triage import (
    accept_candidate,
    confirm_merge,
    dismiss_candidate,
    merge_themes,
    park_theme,
    return_parked,
    undo_decision,
)
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.histories import START, add_contacts, rows_of, theme_named, themes_by_topic
from tests.factories.theme_maker import make_maker
from tests.factories.themes import make_action, make_theme

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)


@pytest.fixture
def maker():
    return make_maker()


@pytest.fixture
def ids(database, settings, actor, maker):
    """Three candidates found in a history in which some customers have two of them."""
    add_contacts(database, settings, {"CARD": 9, "REFUND": 8, "PIN": 7})
    with database.transaction() as session:
        for number in range(4):
            customer = make_customer(session)
            for turn, topic in enumerate(("CARD", "PIN")):
                make_contact(
                    session,
                    customer=customer,
                    started_at=START + timedelta(days=turn, minutes=number),
                    text=f"{topic} both{number}",
                )
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
    return {name: theme_named(database, name).id for name in ("Card", "Refund", "Pin")}


def answers(session, **values):
    return {
        "name": "Cards come late",
        "scenario": "The card does not come, so customers call.",
        "demand_type": DemandType.FAILURE,
        "customer_values": False,
        "company_values": False,
        "strategy": Strategy.ELIMINATE,
        "department_id": make_department(session).id,
        **values,
    }


def merge(database, settings, actor, ids, source="Pin", into="Card", **values):
    with database.transaction() as session:
        return merge_themes(
            session,
            settings=settings,
            theme_id=ids[source],
            into_id=ids[into],
            reason=values.get("reason", "Same cause."),
            by=actor,
        ).id


def undo(database, settings, actor, decision_id):
    with database.transaction() as session:
        undo_decision(session, settings=settings, decision_id=decision_id, by=actor)


def test_accepting_fills_in_what_was_agreed(session, actor):
    theme = make_theme(session)
    owner = make_user(session)
    given = answers(session, owner_id=owner.id, scenario="  The card \n does not come. ")
    with as_if(NOW):
        decision = accept_candidate(session, theme_id=theme.id, by=actor, **given)

    assert (theme.status, theme.name) == (ThemeStatus.TRIAGED, "Cards come late")
    assert theme.is_named_by_person
    assert theme.scenario == "The card does not come."
    assert (theme.demand_type, theme.strategy) == (DemandType.FAILURE, Strategy.ELIMINATE)
    assert (theme.customer_values, theme.company_values) == (False, False)
    assert (theme.department_id, theme.owner_id) == (given["department_id"], owner.id)
    assert theme.triaged_at == NOW
    assert decision.decided_by == "Priya Nair"
    event = session.scalars(sa.select(AuditEvent)).one()
    assert (event.verb, event.target_id) == ("themes.accepted", theme.id)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": "  "}),
        ("name", {"name": "x" * 161}),
        ("scenario", {"scenario": "Late."}),
        ("demand_type", {"demand_type": None}),
        ("quadrant", {"company_values": None}),
        ("strategy", {"strategy": None}),
        ("department_id", {"department_id": None}),
        ("department_id", {"department_id": 404}),
        ("owner_id", {"owner_id": 404}),
    ],
)
def test_accepting_needs_every_answer(session, actor, field, values):
    theme = make_theme(session)
    with pytest.raises(Invalid) as refusal:
        accept_candidate(session, theme_id=theme.id, by=actor, **answers(session, **values))
    assert list(refusal.value.fields) == [field]
    assert theme.status is ThemeStatus.CANDIDATE


def test_accepting_for_a_closed_department_is_refused(session, actor):
    theme, department = make_theme(session), make_department(session)
    department.is_active = False
    with pytest.raises(Invalid, match="department"):
        accept_candidate(
            session,
            theme_id=theme.id,
            by=actor,
            **answers(session, department_id=department.id),
        )


@pytest.mark.parametrize("status", [ThemeStatus.TRIAGED, ThemeStatus.HELD, ThemeStatus.RETIRED])
def test_accepting_what_was_decided_is_refused(session, actor, status):
    theme = make_theme(session, status)
    with pytest.raises(InvalidTransition, match="decided already"):
        accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))


def test_accepting_what_is_not_there_is_not_found(session, actor):
    with pytest.raises(NotFound):
        accept_candidate(session, theme_id=404, by=actor, **answers(session))


def test_priority_follows_the_kind_of_demand_at_once(database, settings, actor, ids):
    with database.reading() as session:
        before = session.get_one(ThemeStats, ids["Pin"]).priority
    with database.transaction() as session:
        accept_candidate(session, theme_id=ids["Pin"], by=actor, **answers(session))
        assert session.get_one(ThemeStats, ids["Pin"]).priority > before


def test_undoing_an_acceptance_restores_every_field(session, settings, actor):
    theme = make_theme(session)
    columns = [c.key for c in Theme.__table__.columns if c.key != "updated_at"]
    before = [getattr(theme, name) for name in columns]
    decision = accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))
    undo_decision(session, settings=settings, decision_id=decision.id, by=actor)
    assert [getattr(theme, name) for name in columns] == before
    assert decision.undone_at is not None
    verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs == ["themes.accepted", "themes.decision_undone"]


def test_undoing_leaves_what_was_changed_by_hand_since(session, settings, actor):
    theme = make_theme(session)
    decision = accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))
    rename_theme(session, theme_id=theme.id, name="Lost cards", by=actor)
    undo_decision(session, settings=settings, decision_id=decision.id, by=actor)
    assert (theme.status, theme.name) == (ThemeStatus.CANDIDATE, "Lost cards")


def test_undoing_twice_is_refused(session, settings, actor):
    theme = make_theme(session)
    decision = accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))
    undo_decision(session, settings=settings, decision_id=decision.id, by=actor)
    with pytest.raises(Conflict, match="undone already"):
        undo_decision(session, settings=settings, decision_id=decision.id, by=actor)


def test_undoing_what_is_not_there_is_not_found(session, settings, actor):
    with pytest.raises(NotFound):
        undo_decision(session, settings=settings, decision_id=404, by=actor)


def test_undoing_is_refused_once_an_action_was_proposed(session, settings, actor):
    theme = make_theme(session)
    decision = accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))
    action = make_action(session, theme)
    with pytest.raises(Conflict, match=action.key):
        undo_decision(session, settings=settings, decision_id=decision.id, by=actor)


def test_undoing_is_refused_once_the_theme_moved_on(session, settings, actor):
    theme = make_theme(session)
    decision = accept_candidate(session, theme_id=theme.id, by=actor, **answers(session))
    describe_cause(session, theme_id=theme.id, cause="The plant prints weekly.", by=actor)
    with pytest.raises(Conflict, match="cause known"):
        undo_decision(session, settings=settings, decision_id=decision.id, by=actor)


def test_merging_moves_contacts_and_counts_their_repeats_together(database, settings, actor, ids):
    merge(database, settings, actor, ids)

    assert themes_by_topic(database)["PIN"] == themes_by_topic(database)["CARD"]
    with database.reading() as session:
        pin = session.get_one(Theme, ids["Pin"])
        same = session.scalar(
            sa.select(sa.func.sum(DailyRollup.same_7d)).where(DailyRollup.theme_id == ids["Card"])
        )
        left = sa.select(sa.func.count()).where(DailyRollup.theme_id == ids["Pin"])
        assert (pin.status, pin.merged_into_id) == (ThemeStatus.MERGED, ids["Card"])
        assert session.get(ThemeStats, ids["Pin"]) is None
        assert session.get_one(ThemeStats, ids["Card"]).contacts == 18 + 14 + 8
        assert session.scalar(left) == 0
    # 9 of the card's customers, 7 of the PIN's, and the 4 who had asked about one after the other.
    assert same == 20


def test_merging_more_than_a_hundred_contacts_needs_their_number(session, settings, actor):
    small, large, into = (make_theme(session, ThemeStatus.TRIAGED) for _ in range(3))
    batch = make_batch(session)
    for theme, n in ((small, 100), (large, 101)):
        for _ in range(n):
            make_contact(session, theme=theme, batch=batch)

    def confirm(theme, typed):
        return confirm_merge(
            session,
            settings=settings,
            theme_id=theme.id,
            into_id=into.id,
            reason="Both are about cards.",
            typed_count=typed,
            by=actor,
        )

    for typed in (None, 100, 1010):
        with pytest.raises(Invalid, match="Type 101 to merge"):
            confirm(large, typed)
    assert large.status is ThemeStatus.TRIAGED
    assert confirm(small, None).theme_id == small.id
    confirm(large, 101)
    held = sa.select(sa.func.count(Contact.id)).where(Contact.theme_id == into.id)
    assert session.scalar(held) == 201


def test_merging_makes_a_set_with_the_same_model_and_a_definition_for_the_target(
    database, settings, actor, ids
):
    merge(database, settings, actor, ids)

    with database.reading() as session:
        first, second = session.scalars(sa.select(DefinitionSet).order_by(DefinitionSet.id))
        assert (first.is_current, second.is_current, second.number) == (False, True, 2)
        assert first.model == second.model
        assert second.label_themes == [ids["Card"], ids["Refund"], ids["Card"]] or (
            second.label_themes == [ids["Card"], ids["Card"], ids["Refund"]]
        )
        newest = session.scalars(sa.select(ThemeDefinition).order_by(ThemeDefinition.id.desc()))
        definition = newest.first()
    assert (definition.theme_id, definition.number) == (ids["Card"], 2)
    assert definition.labels == [
        label for label, theme in enumerate(second.label_themes) if theme == ids["Card"]
    ]


def test_merge_and_undo_leave_every_row_as_it_was(database, settings, actor, ids):
    tables = (Contact, DailyRollup, ThemeStats)
    before = [rows_of(database, table) for table in tables]
    with database.reading() as session:
        columns = sa.select(Theme.id, Theme.status, Theme.merged_into_id, Theme.name).order_by(
            Theme.id
        )
        themes = session.execute(columns).all()
        owners = session.scalar(sa.select(DefinitionSet.label_themes))

    decision = merge(database, settings, actor, ids)
    assert [rows_of(database, table) for table in tables] != before
    undo(database, settings, actor, decision)

    assert [rows_of(database, table) for table in tables] == before
    with database.reading() as session:
        assert session.execute(columns).all() == themes
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        assert (current.number, current.label_themes) == (3, owners)


def test_merge_is_a_rule_for_contacts_that_come_later_and_undo_gives_them_back(
    database, settings, actor, ids, maker
):
    decision = merge(database, settings, actor, ids)
    add_contacts(database, settings, {"PIN": 2}, tag="later")

    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)
    assert len(themes_by_topic(database)["PIN"]) == 1
    assert themes_by_topic(database)["PIN"] == themes_by_topic(database)["CARD"]

    undo(database, settings, actor, decision)
    found = themes_by_topic(database)
    assert found["PIN"] != found["CARD"]
    assert len(found["PIN"]) == 1


def test_merge_can_be_undone_after_a_later_discovery(database, settings, actor, ids, maker):
    # Its label is the last one, so the next set gives it another number.
    decision = merge(database, settings, actor, ids, "Refund")
    add_contacts(database, settings, {"LOGIN": 30}, tag="later")
    discover_themes(database.transaction, settings=settings, by=actor, maker=maker)

    undo(database, settings, actor, decision)

    found = themes_by_topic(database)
    assert len({frozenset(keys) for keys in found.values()}) == 4
    with database.reading() as session:
        refund = session.get_one(Theme, ids["Refund"])
        assert (found["REFUND"], refund.status) == ({refund.key}, ThemeStatus.CANDIDATE)


def test_merging_takes_open_actions_along_and_undo_brings_them_back(database, settings, actor, ids):
    with database.transaction() as session:
        for name in ("Pin", "Card"):
            session.get_one(Theme, ids[name]).status = ThemeStatus.TRIAGED
        action = make_action(session, session.get_one(Theme, ids["Pin"])).id

    decision = merge(database, settings, actor, ids)
    with database.reading() as session:
        assert session.get_one(Action, action).theme_id == ids["Card"]
    undo(database, settings, actor, decision)
    with database.reading() as session:
        assert session.get_one(Action, action).theme_id == ids["Pin"]
        moved = sa.select(sa.func.count()).where(AuditEvent.verb == "actions.moved")
        assert session.scalar(moved) == 2


def test_undoing_a_merge_is_refused_once_a_moved_action_was_shipped(database, settings, actor, ids):
    with database.transaction() as session:
        for name in ("Pin", "Card"):
            session.get_one(Theme, ids[name]).status = ThemeStatus.TRIAGED
        action = make_action(session, session.get_one(Theme, ids["Pin"]))
    decision = merge(database, settings, actor, ids)
    with database.transaction() as session:
        session.get_one(Action, action.id).status = ActionStatus.SHIPPED
    with pytest.raises(Conflict, match=rf"{action.key} has been shipped"):
        undo(database, settings, actor, decision)


def test_undoing_a_merge_is_refused_once_the_target_was_decided_on(database, settings, actor, ids):
    decision = merge(database, settings, actor, ids)
    later = merge(database, settings, actor, ids, "Card", "Refund")
    with pytest.raises(Conflict, match="Undo that decision first"):
        undo(database, settings, actor, decision)
    before = rows_of(database, Contact)
    undo(database, settings, actor, later)
    undo(database, settings, actor, decision)
    assert rows_of(database, Contact) != before
    assert len({frozenset(keys) for keys in themes_by_topic(database).values()}) == 3


def test_undoing_a_merge_is_refused_once_the_target_has_a_new_action(
    database, settings, actor, ids
):
    decision = merge(database, settings, actor, ids)
    with database.transaction() as session:
        action = make_action(session, session.get_one(Theme, ids["Card"]))
    with pytest.raises(Conflict, match=action.key):
        undo(database, settings, actor, decision)


def test_merging_writes_an_event_on_both_themes(database, settings, actor, ids):
    merge(database, settings, actor, ids)
    with database.reading() as session:
        targets = session.scalars(
            sa.select(AuditEvent.target_id).where(AuditEvent.verb == "themes.merged")
        )
        assert set(targets) == {ids["Pin"], ids["Card"]}


def test_merging_a_theme_into_itself_is_refused(session, settings, actor):
    theme = make_theme(session)
    with pytest.raises(Invalid, match="itself"):
        merge_themes(
            session, settings=settings, theme_id=theme.id, into_id=theme.id, reason="x", by=actor
        )


def test_merging_needs_a_reason(session, settings, actor):
    one, other = make_theme(session), make_theme(session)
    with pytest.raises(Invalid) as refusal:
        merge_themes(
            session, settings=settings, theme_id=one.id, into_id=other.id, reason=" ", by=actor
        )
    assert "reason" in refusal.value.fields


@pytest.mark.parametrize("status", [ThemeStatus.RETIRED, ThemeStatus.MERGED])
def test_merging_into_what_is_gone_is_refused(session, settings, actor, status):
    one, third = make_theme(session), make_theme(session)
    into = make_theme(
        session, status, merged_into_id=third.id if status is ThemeStatus.MERGED else None
    )
    with pytest.raises(InvalidTransition, match=status.value):
        merge_themes(
            session, settings=settings, theme_id=one.id, into_id=into.id, reason="x", by=actor
        )


def test_merging_a_theme_with_a_shipped_action_says_why_not(session, settings, actor):
    one, other = make_theme(session, ThemeStatus.ACTING), make_theme(session, ThemeStatus.TRIAGED)
    action = make_action(session, one, ActionStatus.EFFECTIVE)
    with pytest.raises(Conflict, match=rf"{action.key} of {one.key} has been shipped"):
        merge_themes(
            session, settings=settings, theme_id=one.id, into_id=other.id, reason="x", by=actor
        )


def test_merging_what_was_agreed_into_a_candidate_is_refused(session, settings, actor):
    one, other = make_theme(session, ThemeStatus.TRIAGED), make_theme(session)
    with pytest.raises(InvalidTransition, match="waits for triage"):
        merge_themes(
            session, settings=settings, theme_id=one.id, into_id=other.id, reason="x", by=actor
        )


def test_dismissing_needs_a_reason_and_keeps_the_contacts(database, settings, actor, ids):
    before = rows_of(database, Contact)
    with database.transaction() as session:
        with pytest.raises(Invalid):
            dismiss_candidate(session, theme_id=ids["Pin"], reason="", by=actor)
        dismiss_candidate(session, theme_id=ids["Pin"], reason="An outage.", by=actor)
        assert session.get_one(Theme, ids["Pin"]).status is ThemeStatus.RETIRED
    assert rows_of(database, Contact) == before


def test_dismissing_a_theme_with_open_actions_is_refused(session, actor):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    action = make_action(session, theme)
    with pytest.raises(Conflict, match=action.key):
        dismiss_candidate(session, theme_id=theme.id, reason="An outage.", by=actor)


def test_dismissing_twice_is_refused(session, actor):
    theme = make_theme(session)
    dismiss_candidate(session, theme_id=theme.id, reason="An outage.", by=actor)
    with pytest.raises(InvalidTransition, match="dismissed already"):
        dismiss_candidate(session, theme_id=theme.id, reason="An outage.", by=actor)


def test_dismissal_taken_back_waits_for_triage_again(session, settings, actor):
    theme = make_theme(session)
    decision = dismiss_candidate(session, theme_id=theme.id, reason="An outage.", by=actor)
    undo_decision(session, settings=settings, decision_id=decision.id, by=actor)
    assert theme.status is ThemeStatus.CANDIDATE


def park(session, theme, until, actor):
    return park_theme(
        session, theme_id=theme.id, until=until, reason="New app.", today=NOW.date(), by=actor
    )


def test_parked_theme_returns_on_its_day_and_not_before(session, actor):
    candidate = make_theme(session)
    agreed = make_theme(session, ThemeStatus.TRIAGED, triaged_at=NOW)
    until = date(2026, 6, 1)
    for theme in (candidate, agreed):
        park(session, theme, until, actor)

    assert return_parked(session, today=date(2026, 5, 31), by=actor) == 0
    assert candidate.status is ThemeStatus.PARKED
    assert return_parked(session, today=until, by=actor) == 2
    assert (candidate.status, agreed.status) == (ThemeStatus.CANDIDATE, ThemeStatus.TRIAGED)
    assert candidate.parked_until is None
    assert return_parked(session, today=until, by=actor) == 0
    returned = sa.select(sa.func.count()).where(AuditEvent.verb == "themes.returned")
    assert session.scalar(returned) == 2


@pytest.mark.parametrize("until", [date(2026, 5, 11), date(2026, 5, 12)])
def test_parking_until_a_day_that_has_come_is_refused(session, actor, until):
    theme = make_theme(session)
    with pytest.raises(Invalid) as refusal:
        park(session, theme, until, actor)
    assert "until" in refusal.value.fields


def test_parking_taken_back_restores_the_status_it_had(session, settings, actor):
    theme = make_theme(session, ThemeStatus.CAUSE_KNOWN)
    decision = park(session, theme, date(2026, 6, 1), actor)
    undo_decision(session, settings=settings, decision_id=decision.id, by=actor)
    assert (theme.status, theme.parked_until) == (ThemeStatus.CAUSE_KNOWN, None)
    assert session.scalars(sa.select(TriageDecision)).one().undone_at is not None
