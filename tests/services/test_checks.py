"""Drawing contacts of a theme, judging them, and the precision that comes of it."""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    DefinitionSet,
    MembershipCheck,
    ThemeDefinition,
)
from closedloop.queries.checks import count_left, find_round, get_precisions
from closedloop.services.checks import answer_check, draw_sample, take_back_answer
from tests.factories.contacts import make_batch, make_contact
from tests.factories.themes import make_stats, make_theme


def add_set(session, number: int) -> DefinitionSet:
    session.execute(sa.update(DefinitionSet).values(is_current=False))
    one = DefinitionSet(
        number=number, encoder="words@1", model=b"", label_themes=[], is_current=True, reason="T"
    )
    session.add(one)
    session.flush()
    return one


def define(session, theme, one: DefinitionSet) -> None:
    session.add(
        ThemeDefinition(theme_id=theme.id, number=one.number, definition_set_id=one.id, labels=[])
    )
    session.flush()


@pytest.fixture
def theme(session):
    """A counted theme of 40 contacts, 4 of them without text."""
    theme = make_theme(session, ThemeStatus.TRIAGED)
    make_stats(session, theme)
    define(session, theme, add_set(session, 1))
    add_contacts(session, theme, 36)
    add_contacts(session, theme, 2, text=None)
    add_contacts(session, theme, 2, text="")
    add_contacts(session, None, 5)
    return theme


def add_contacts(session, theme, n: int, **values) -> None:
    batch = make_batch(session)
    for _ in range(n):
        make_contact(session, theme=theme, batch=batch, **values)


@pytest.fixture
def draw(session, settings, actor, theme):
    def run(**values):
        return draw_sample(session, theme_id=theme.id, settings=settings, by=actor, **values)

    return run


def drawn(session, theme, number: int = 1) -> list[int]:
    return list(
        session.scalars(
            sa.select(MembershipCheck.contact_id)
            .where(MembershipCheck.theme_id == theme.id, MembershipCheck.round == number)
            .order_by(MembershipCheck.id)
        )
    )


def answer(session, theme, actor, *answers: bool) -> None:
    """Answer the next contacts, in the order they are asked about."""
    for belongs in answers:
        question = find_round(session, theme.id).question
        answer_check(
            session, theme_id=theme.id, contact_id=question.contact_id, belongs=belongs, by=actor
        )


def precision(session, theme):
    return get_precisions(session, [theme.id]).get(theme.id)


def test_a_draw_takes_contacts_of_the_theme_with_text_each_once(session, theme, draw):
    assert draw(size=30) == 1

    ids = drawn(session, theme)
    assert len(set(ids)) == len(ids) == 30
    facts = session.execute(
        sa.select(Contact.theme_id, ContactText.issue_text)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .where(Contact.id.in_(ids))
    ).all()
    assert len(facts) == 30
    assert all(of == theme.id and text for of, text in facts)


def test_a_theme_smaller_than_the_sample_is_drawn_whole(session, theme, draw):
    draw(size=200)

    assert len(drawn(session, theme)) == 36


def test_the_same_seed_draws_the_same_and_every_contact_is_as_likely(session, theme, draw):
    def once(seed: int) -> list[int]:
        draw(size=9, seed=seed)
        ids = drawn(session, theme)
        session.execute(sa.delete(MembershipCheck))
        return ids

    assert once(7) == once(7) != once(8)
    seen = Counter(contact for seed in range(400) for contact in once(seed))
    assert len(seen) == 36
    # 100 of 400 rounds each, standard deviation 8.7
    assert 65 < min(seen.values()) <= max(seen.values()) < 135


def test_the_draw_is_put_down_with_its_seed(session, theme, draw, actor):
    draw(size=5)

    event = session.scalars(sa.select(AuditEvent)).one()
    assert (event.verb, event.target_kind, event.target_id) == (
        "themes.sample_drawn",
        "theme",
        theme.id,
    )
    assert event.actor_name == actor.name
    assert event.detail["contacts"] == drawn(session, theme)
    assert isinstance(event.detail["seed"], int)


@pytest.mark.parametrize("size", [0, 4, 201])
def test_a_size_out_of_bounds_is_refused(session, theme, draw, size):
    with pytest.raises(Invalid, match="5 to 200"):
        draw(size=size)


def test_nothing_is_drawn_that_may_not_be_shown_or_is_not_there(session, theme, draw):
    theme.stats.customers = 4
    with pytest.raises(Conflict, match="fewer than 5 customers"):
        draw()
    theme.stats.customers = 400
    theme.status = ThemeStatus.RETIRED
    with pytest.raises(Conflict, match="retired"):
        draw()
    theme.status = ThemeStatus.TRIAGED
    session.execute(sa.delete(ContactText))
    with pytest.raises(Conflict, match="has a text any more"):
        draw()


def test_answers_give_the_precision_with_its_interval(session, theme, draw, actor):
    draw(size=25)
    assert precision(session, theme) is None

    answer(session, theme, actor, *[True] * 21, False, False, True, True)

    found = precision(session, theme)
    assert (found.round, found.drawn, found.looked_at, found.belonging) == (1, 25, 25, 23)
    assert (found.low, found.high) == pytest.approx((0.7503, 0.9778), abs=1e-4)
    assert found.share == pytest.approx(0.92)
    assert not found.is_stale
    assert find_round(session, theme.id).question is None


def test_contacts_are_asked_about_in_the_order_drawn_so_that_a_part_is_a_fair_sample(
    session, theme, draw, actor
):
    draw(size=6)
    order = drawn(session, theme)
    assert order != sorted(order)

    for contact in order[:4]:
        assert find_round(session, theme.id).question.contact_id == contact
        answer(session, theme, actor, True)

    assert find_round(session, theme.id).left == 2
    assert precision(session, theme).looked_at == 4


def test_a_new_round_replaces_the_old_one_when_half_of_it_is_done(session, theme, draw, actor):
    draw(size=6)
    answer(session, theme, actor, *[False] * 6)
    draw(size=6)
    answer(session, theme, actor, True, True)
    assert (precision(session, theme).round, precision(session, theme).belonging) == (1, 0)

    answer(session, theme, actor, True)

    assert (precision(session, theme).round, precision(session, theme).belonging) == (2, 3)


def test_a_round_is_finished_before_another_is_drawn(session, theme, draw, actor):
    draw(size=6)
    answer(session, theme, actor, True)

    with pytest.raises(Conflict, match="still has 5 contacts"):
        draw()


def test_contacts_that_left_or_lost_their_text_are_passed_by(session, theme, draw, actor):
    draw(size=6)
    first, second, *_ = drawn(session, theme)
    session.get_one(Contact, first).theme_id = None
    session.execute(sa.delete(ContactText).where(ContactText.contact_id == second))

    found = find_round(session, theme.id)

    assert (found.left, found.passed_by) == (4, 2)
    assert found.question.contact_id == drawn(session, theme)[2]
    answer(session, theme, actor, *[True] * 4)
    assert count_left(session, theme.id) == 0
    assert draw(size=6) == 2


def test_an_answer_can_be_taken_back_and_is_asked_for_again(session, theme, draw, actor):
    draw(size=6)
    answer(session, theme, actor, False, True)
    last = find_round(session, theme.id).last
    assert (last.contact_id, last.belongs) == (drawn(session, theme)[1], True)

    take_back_answer(session, theme_id=theme.id, contact_id=last.contact_id, by=actor)

    assert find_round(session, theme.id).question.contact_id == last.contact_id
    assert precision(session, theme).looked_at == 1
    verbs = session.scalars(
        sa.select(AuditEvent.verb).where(AuditEvent.target_kind == "check").order_by(AuditEvent.id)
    ).all()
    assert verbs == ["themes.membership_checked"] * 2 + ["themes.check_taken_back"]
    with pytest.raises(NotFound, match="no answer"):
        take_back_answer(session, theme_id=theme.id, contact_id=last.contact_id, by=actor)


def test_another_answer_than_the_one_that_was_seen_is_not_taken_back(session, theme, draw, actor):
    draw(size=6)
    answer(session, theme, actor, False)
    last = find_round(session, theme.id).last
    named = {"theme_id": theme.id, "contact_id": last.contact_id, "by": actor}
    take_back_answer(session, seen=("no", actor.name), **named)
    answer_check(session, belongs=True, **named)

    with pytest.raises(ChangedMeanwhile, match="has answered this one anew"):
        take_back_answer(session, seen=("no", actor.name), **named)

    assert find_round(session, theme.id).last.belongs is True


def test_the_same_answer_twice_is_one_and_another_one_is_a_conflict(session, theme, draw, actor):
    draw(size=6)
    contact = drawn(session, theme)[0]
    for _ in range(2):
        answer_check(session, theme_id=theme.id, contact_id=contact, belongs=True, by=actor)

    with pytest.raises(ChangedMeanwhile, match="has answered this one otherwise"):
        answer_check(session, theme_id=theme.id, contact_id=contact, belongs=False, by=actor)
    assert precision(session, theme).belonging == 1
    events = sa.select(sa.func.count()).where(AuditEvent.target_kind == "check")
    assert session.scalar(events.select_from(AuditEvent)) == 1


def test_a_contact_that_was_not_drawn_takes_no_answer(session, theme, draw, actor):
    draw(size=6)
    stranger = make_contact(session, theme=theme)

    with pytest.raises(NotFound, match="not among those drawn"):
        answer_check(session, theme_id=theme.id, contact_id=stranger.id, belongs=True, by=actor)


def test_precision_is_stale_once_the_theme_is_defined_anew_and_not_when_another_is(
    session, theme, draw, actor
):
    draw(size=6)
    answer(session, theme, actor, *[True] * 6)
    define(session, make_theme(session), add_set(session, 2))
    assert not precision(session, theme).is_stale

    define(session, theme, add_set(session, 3))

    assert precision(session, theme).is_stale


def test_an_answer_is_kept_when_its_text_expires_and_goes_with_its_contact(
    session, theme, draw, actor
):
    draw(size=6)
    answer(session, theme, actor, *[True] * 6)
    session.execute(sa.delete(ContactText))
    assert precision(session, theme).looked_at == 6

    session.execute(sa.delete(Contact).where(Contact.id == drawn(session, theme)[0]))

    assert precision(session, theme).looked_at == 5


def test_strays_are_those_that_do_not_belong_and_are_there_still(session, theme, draw, actor):
    draw(size=6)
    answer(session, theme, actor, False, True, False)
    first, _, third, *_ = drawn(session, theme)
    assert find_round(session, theme.id).strays == (first, third)

    session.get_one(Contact, first).theme_id = None

    assert find_round(session, theme.id).strays == (third,)


def test_checks_say_when_they_were_made(session, theme, draw, actor):
    before = utc_now()
    draw(size=6)
    answer(session, theme, actor, True)

    check = session.scalars(
        sa.select(MembershipCheck).where(MembershipCheck.belongs.is_not(None))
    ).one()
    assert check.checked_by == actor.name
    assert (check.checked_at - before).total_seconds() < 60
