"""Gaps, chains and roll-ups against a brute-force reading of the rules in plain Python."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given
from hypothesis import settings as limited
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.clock import local_day
from closedloop.domain.contacts import WINDOWS
from closedloop.extensions import Database
from closedloop.models import Contact, ContactLink, DailyRollup
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer, make_history
from tests.factories.themes import make_theme

DAY = 86_400
# the night before clocks go forward in London: local days of 24, 23 and 24 hours follow
START = datetime(2026, 3, 28, 21, tzinfo=UTC)
ZONE = "Europe/London"
KEPT = (
    "previous_gap_seconds",
    "next_gap_seconds",
    "previous_same_gap_seconds",
    "next_same_gap_seconds",
    "chain_id",
    "chain_position",
)

FOLLOWED = ["e00", "e01", "e02", "e05", "elsewhere"]
"""Ids that a contact may follow; the last one is never here."""

limits = limited(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

near_an_edge = st.builds(
    lambda days, seconds: days * DAY + seconds,
    st.sampled_from([0, 1, 3, 7, 8, 10, 14, 17, 21, 30, 37]),
    st.sampled_from([0, 0, 0, 1, 2, 3600]),
)
event = st.tuples(
    st.one_of(near_an_edge, st.integers(0, 40 * DAY)),
    st.sampled_from([0, 0, 1, 2, None]),  # customer
    st.sampled_from([0, 0, 1, None]),  # theme
    st.sampled_from(["phone", "chat"]),
    st.sampled_from(["", "", "", *FOLLOWED]),
)
history = st.lists(st.tuples(event, st.integers(0, 3)), max_size=14)
"""Events with the number of the import that brings each, in the order they arrive."""


@contextmanager
def undone(database: Database) -> Iterator[Session]:
    """Give a writing session whose changes are gone afterwards."""
    bind = database.engine.execution_options(closedloop_writes=True)
    with Session(bind) as session:
        yield session
        session.rollback()


def gap_between(earlier, later) -> int:
    return int((later.started_at - earlier.started_at).total_seconds())


def in_time(contact) -> tuple:
    return (contact.started_at, contact.source, contact.source_contact_id)


def nearest(contact, others) -> tuple[int | None, int | None]:
    """Gaps to the neighbours in order of start, then of source id."""
    before = [gap_between(o, contact) for o in others if in_time(o) < in_time(contact)]
    after = [gap_between(contact, o) for o in others if in_time(o) > in_time(contact)]
    return min(before, default=None), min(after, default=None)


def cases_of(own) -> dict[str, set[str]]:
    """Ids of one customer's contacts and what they follow, each with all of its case."""
    cases = {name: {name} for c in own for name in (c.source_contact_id, c.follows_contact_id)}
    for contact in own:
        if contact.follows_contact_id:
            joined = cases[contact.source_contact_id] | cases[contact.follows_contact_id]
            cases |= dict.fromkeys(joined, joined)
    return cases


def expected_links(contacts, window_days: int) -> dict[int, tuple]:
    """What chain_contacts must leave, by contact id."""
    found = {c.id: (None,) * 6 for c in contacts if c.customer_id is None}
    for customer_id in {c.customer_id for c in contacts} - {None}:
        own = sorted(
            (c for c in contacts if c.customer_id == customer_id),
            key=in_time,
        )
        chain, last = [], None
        cases = cases_of(own)
        for contact in own:
            if last is None or gap_between(last, contact) > window_days * DAY:
                chain = []
            chain.append(contact.id)
            last = contact
            same = [
                o
                for o in own
                if (contact.theme_id and o.theme_id == contact.theme_id)
                or o.source_contact_id in cases[contact.source_contact_id]
            ]
            about_it = nearest(contact, same)
            found[contact.id] = (*nearest(contact, own), *about_it, chain[0], len(chain))
    return found


def links(session: Session) -> dict[int, tuple]:
    session.expire_all()
    contacts = session.scalars(sa.select(Contact))
    return {c.id: tuple(getattr(c.link, name, None) for name in KEPT) for c in contacts}


def expected_rollup(contacts) -> dict[tuple, dict[str, int]]:
    cells: dict[tuple, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for c in contacts:
        cell = cells[(c.local_day, c.theme_id, c.channel, c.queue, c.disposition)]
        cell["contacts"] += 1
        cell["handled"] += c.handle_seconds is not None
        cell["handle_seconds"] += c.handle_seconds or 0
        if c.customer_id is None:
            continue
        cell["identified"] += 1
        cell["themed"] += c.theme_id is not None
        for basis, before, after in (
            ("any", c.link.previous_gap_seconds, c.link.next_gap_seconds),
            ("same", c.link.previous_same_gap_seconds, c.link.next_same_gap_seconds),
        ):
            for window in WINDOWS:
                followed = after is not None and after <= window.seconds
                opens = before is None or before > window.seconds
                cell[f"{basis}_{window.key}"] += followed
                cell[f"opening_{basis}_{window.key}"] += opens
                cell[f"resolved_{basis}_{window.key}"] += opens and not followed
                if basis == "any" and not opens:
                    cell[f"beyond_seconds_{window.key}"] += c.handle_seconds or 0
    return {key: {name: n for name, n in cell.items() if n} for key, cell in cells.items()}


def rollup(session: Session) -> dict[tuple, dict[str, int]]:
    session.expire_all()
    keys = ("day", "theme_id", "channel", "queue", "disposition")
    names = [
        c.key for c in DailyRollup.__table__.c if c.key not in ("id", *keys, "team", "language")
    ]
    found = {}
    for row in session.scalars(sa.select(DailyRollup)):
        key = tuple(getattr(row, name) for name in keys)
        assert key not in found, "two rows for one cell"
        found[key] = {name: getattr(row, name) for name in names if getattr(row, name)}
    return found


def test_chain_contacts_in_any_order_and_portions_equals_the_rules_and_a_fresh_start(
    database: Database, settings: Settings
) -> None:
    @example([((7 * DAY, 0, 0, "phone", ""), 0), ((0, 0, 0, "phone", ""), 1)])
    @example([((7 * DAY + 1, 0, 0, "phone", ""), 0), ((0, 0, 0, "phone", ""), 1)])
    @example(
        [((0, 0, 0, "phone", ""), 0), ((0, 0, 0, "phone", ""), 0), ((DAY, 0, 1, "chat", ""), 1)]
    )
    @example(  # what is followed comes in last, and started last
        [
            ((DAY, 0, 1, "phone", "e02"), 0),
            ((0, 0, None, "chat", "e02"), 1),
            ((2 * DAY, 0, 0, "phone", ""), 2),
        ]
    )
    @given(history)
    @limits
    def check(events) -> None:
        with undone(database) as session:
            themes = [make_theme(session), make_theme(session)]
            customers = [make_customer(session) for _ in range(3)]
            batch = make_batch(session)
            for number in sorted({n for _, n in events}):
                touched, days = set(), set()
                for place, ((offset, customer, theme, channel, follows), n) in enumerate(events):
                    if n != number:
                        continue
                    contact = make_contact(
                        session,
                        started_at=START + timedelta(seconds=offset),
                        customer=None if customer is None else customers[customer],
                        theme=None if theme is None else themes[theme],
                        channel=channel,
                        source_contact_id=f"e{place:02}",
                        follows_contact_id=follows,
                        handle_seconds=None if offset % 2 else 60 + offset % 7,
                        text=None,
                        batch=batch,
                    )
                    days.add(contact.local_day)
                    touched |= {contact.customer_id} - {None}
                days |= chain_contacts(session, settings=settings, customer_ids=sorted(touched))
                roll_up_days(session, days=days)
            contacts = session.scalars(sa.select(Contact)).all()
            kept_up, added_up = links(session), rollup(session)
            assert kept_up == expected_links(contacts, 7)
            assert added_up == expected_rollup(contacts)

            session.execute(sa.delete(ContactLink))
            chain_contacts(session, settings=settings, customer_ids=None)
            assert links(session) == kept_up
            roll_up_days(session, days=None)
            assert rollup(session) == added_up

    check()


def test_chain_contacts_says_which_days_changed_and_writes_nothing_the_second_time(
    session: Session, settings: Settings
) -> None:
    first, second, far = make_history(session, [24, 24 * 40])
    ids = [first.customer_id]
    days = chain_contacts(session, settings=settings, customer_ids=ids)
    assert days == {first.local_day, second.local_day, far.local_day}
    assert chain_contacts(session, settings=settings, customer_ids=ids) == set()
    assert chain_contacts(session, settings=settings, customer_ids=None) == set()

    late = make_contact(
        session, started_at=first.started_at + timedelta(hours=5), customer=None, text=None
    )
    late.customer_id = first.customer_id
    days = chain_contacts(session, settings=settings, customer_ids=ids)
    # the far contact and its gap to the second are as they were
    assert days == {first.local_day, second.local_day}
    session.refresh(second)
    assert second.link.previous_gap_seconds == 19 * 3600
    assert second.link.chain_position == 3


@pytest.mark.parametrize(("extra", "position"), [(0, 2), (1, 1)])
def test_chain_contacts_joins_an_episode_up_to_the_exact_second_of_the_window(
    session: Session, settings: Settings, extra: int, position: int
) -> None:
    three_days = dataclasses.replace(settings, repeat_window_days=3)
    _, second = make_history(session, [72 + extra / 3600])
    chain_contacts(session, settings=three_days, customer_ids=None)
    session.refresh(second)
    assert second.link.previous_gap_seconds == 72 * 3600 + extra
    assert second.link.chain_position == position


@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.key)
def test_roll_up_days_counts_a_repeat_up_to_the_exact_second_of_each_window(
    session: Session, settings: Settings, window
) -> None:
    inside, _ = make_history(session, [window.seconds / 3600], channel="inside")
    outside, _ = make_history(session, [(window.seconds + 1) / 3600], channel="outside")
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    found = {
        row.channel: (getattr(row, f"any_{window.key}"), getattr(row, f"resolved_any_{window.key}"))
        for row in session.scalars(
            sa.select(DailyRollup).where(DailyRollup.day == inside.local_day)
        )
    }
    assert outside.local_day == inside.local_day
    assert found == {"inside": (1, 0), "outside": (0, 1)}


def test_of_two_contacts_in_the_same_second_the_later_source_id_is_the_repeat(
    session: Session, settings: Settings
) -> None:
    first, twin, later = make_history(session, [0, 2])
    chain_contacts(session, settings=settings, customer_ids=None)
    for contact in (first, twin, later):
        session.refresh(contact)
    first, twin = sorted((first, twin), key=in_time)
    assert (first.link.previous_gap_seconds, first.link.next_gap_seconds) == (None, 0)
    assert (twin.link.previous_gap_seconds, twin.link.next_gap_seconds) == (0, 7200)
    assert later.link.previous_gap_seconds == 7200
    assert [c.link.chain_position for c in (first, twin, later)] == [1, 2, 3]


def test_a_theme_that_changes_hands_changes_the_same_theme_gaps_of_its_neighbours(
    session: Session, settings: Settings
) -> None:
    theme, other = make_theme(session), make_theme(session)
    first, second, third = make_history(session, [30, 30], theme=theme)
    chain_contacts(session, settings=settings, customer_ids=None)
    second.theme_id = other.id
    days = chain_contacts(session, settings=settings, customer_ids=[second.customer_id])
    assert days == {first.local_day, second.local_day, third.local_day}
    session.refresh(first)
    assert first.link.next_same_gap_seconds == 60 * 3600
    assert first.link.next_gap_seconds == 30 * 3600


def follow_up(session: Session, contact: Contact, of: str) -> None:
    contact.follows_contact_id = of
    session.flush()


def same_gaps(session: Session, *contacts: Contact) -> list[tuple[int | None, int | None]]:
    for contact in contacts:
        session.refresh(contact)
    return [
        (c.link.previous_same_gap_seconds, c.link.next_same_gap_seconds) for c in contacts if c.link
    ]


def test_a_follow_up_is_about_the_same_whatever_the_themes(
    session: Session, settings: Settings
) -> None:
    first, other, third = make_history(session, [24, 24], theme=make_theme(session))
    other.theme_id, third.theme_id = make_theme(session).id, None
    follow_up(session, third, first.source_contact_id)
    chain_contacts(session, settings=settings, customer_ids=None)
    assert same_gaps(session, first, other, third) == [
        (None, 2 * DAY), (None, None), (2 * DAY, None),
    ]  # fmt: skip
    roll_up_days(session, days=None)
    row = session.scalars(sa.select(DailyRollup).where(DailyRollup.day == first.local_day)).one()
    assert (row.same_24h, row.same_72h, row.resolved_same_24h, row.resolved_same_72h) == (
        0,
        1,
        1,
        0,
    )


def test_what_started_later_is_the_repeat_also_where_the_earlier_one_was_merged_into_it(
    session: Session, settings: Settings
) -> None:
    first, second = make_history(session, [5])
    follow_up(session, first, second.source_contact_id)
    chain_contacts(session, settings=settings, customer_ids=None)
    assert same_gaps(session, first, second) == [(None, 5 * 3600), (5 * 3600, None)]


def test_two_that_were_merged_into_one_that_is_not_here_are_one_case_and_so_are_their_follow_ups(
    session: Session, settings: Settings
) -> None:
    first, second, third = make_history(session, [1, 2])
    follow_up(session, first, "not-here")
    follow_up(session, second, "not-here")
    follow_up(session, third, second.source_contact_id)
    chain_contacts(session, settings=settings, customer_ids=None)
    assert same_gaps(session, first, second, third) == [
        (None, 3600), (3600, 7200), (7200, None),
    ]  # fmt: skip


def test_a_follow_up_of_another_customer_or_source_or_of_nobody_known_is_no_repeat(
    session: Session, settings: Settings
) -> None:
    (one,) = make_history(session, [])
    (other, next_) = make_history(session, [3])
    follow_up(session, other, one.source_contact_id)  # of another customer
    next_.source = "elsewhere"
    follow_up(session, next_, other.source_contact_id)  # the same id, but of another source
    nobody = make_contact(session, customer=None, follows_contact_id=one.source_contact_id)
    chain_contacts(session, settings=settings, customer_ids=None)
    assert same_gaps(session, one, other, next_) == [(None, None)] * 3
    session.refresh(nobody)
    assert nobody.link is None


def test_long_rows_of_follow_ups_are_one_case(session: Session, settings: Settings) -> None:
    contacts = make_history(session, [24] * 40)
    names = [c.source_contact_id for c in contacts]
    for contact, followed in zip(contacts[1:], names, strict=False):
        contact.follows_contact_id = followed
    contacts[20].follows_contact_id = ""  # two rows of them
    session.flush()
    chain_contacts(session, settings=settings, customer_ids=None)
    gaps = same_gaps(session, *contacts)
    assert [after for _, after in gaps] == [DAY] * 19 + [None] + [DAY] * 20 + [None]


def test_roll_up_days_renews_the_days_it_is_given_and_no_other(
    session: Session, settings: Settings
) -> None:
    monday, tuesday = make_history(session, [24])
    assert roll_up_days(session, days=None) == 2
    session.execute(sa.update(Contact).values(channel="chat"))
    assert roll_up_days(session, days={tuesday.local_day}) == 1
    found = {row.day: row.channel for row in session.scalars(sa.select(DailyRollup))}
    assert found == {monday.local_day: "phone", tuesday.local_day: "chat"}


def test_roll_up_days_forgets_a_day_that_has_no_contacts_any_more(session: Session) -> None:
    make_history(session, [])
    roll_up_days(session, days=None)
    session.execute(sa.update(Contact).values(local_day=date(2026, 1, 1)))
    roll_up_days(session, days=[date(2026, 3, 2), date(2026, 1, 1)])
    assert [row.day for row in session.scalars(sa.select(DailyRollup))] == [date(2026, 1, 1)]


def test_a_contact_just_after_local_midnight_counts_on_the_day_the_customer_lived(
    session: Session, settings: Settings
) -> None:
    # 23:30 UTC on 29 March is half past midnight on the 30th in London summer time
    late = make_contact(session, started_at=datetime(2026, 3, 29, 23, 30, tzinfo=UTC))
    assert late.local_day == local_day(late.started_at, ZONE) == date(2026, 3, 30)
    roll_up_days(session, days=[date(2026, 3, 29)])
    assert session.scalar(sa.select(sa.func.count(DailyRollup.id))) == 0
    roll_up_days(session, days=[date(2026, 3, 30)])
    assert session.scalars(sa.select(DailyRollup.contacts)).all() == [1]
