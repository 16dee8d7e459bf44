"""Which theme is the next contact after which: counted against a walk in plain Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.models import ThemeFollower
from closedloop.services.followers import renew_followers
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme
from tests.statements import count_statements

AS_OF = date(2026, 5, 11)
DAY = timedelta(days=1)


def at(days_ago: float) -> datetime:
    return datetime(2026, 5, 11, 12, tzinfo=UTC) - timedelta(days=days_ago)


def found(session) -> dict[tuple[int, int], tuple]:
    return {
        (row.theme_id, row.next_id): (row.contacts, row.followed, row.customers, row.expected)
        for row in session.scalars(sa.select(ThemeFollower))
    }


@pytest.fixture
def history(session):
    """Contacts as (customer, days ago, theme); theme None is a contact without one."""
    batch = make_batch(session)
    people: dict[str, object] = {}

    def add(*contacts):
        for name, days_ago, theme in contacts:
            if name and name not in people:
                people[name] = make_customer(session)
            make_contact(
                session,
                started_at=at(days_ago),
                customer=people.get(name),
                theme=theme,
                batch=batch,
                text=None,
            )

    return add


def test_only_the_next_contact_within_seven_days_of_the_same_customer_counts(
    session, settings, history
):
    a, b, c = (make_theme(session) for _ in range(3))
    history(
        ("x", 40, a),
        ("x", 33, b),  # exactly 7 days later: inside
        ("x", 30, c),
        ("y", 40, a),
        ("y", 32.99, b),  # a little over 7 days: outside
        ("z", 40, a),
        ("z", 39, None),  # next, but in no theme
        ("z", 38, b),
        ("", 37, b),  # nobody knows whose
        ("w", 6, a),  # not mature
        ("w", 5, b),
        ("v", 200, a),  # too long ago
        ("v", 199, b),
    )

    renew_followers(session, settings=settings, as_of=AS_OF)

    pairs = found(session)
    assert set(pairs) == {(a.id, b.id), (b.id, c.id)}
    # 8 mature contacts of known customers, 3 about a, 3 about b; 2 were followed by b (one of
    # them in no theme), one by c
    assert pairs[a.id, b.id] == (3, 1, 1, pytest.approx(3 * 2 / 8))
    assert pairs[b.id, c.id] == (3, 1, 1, pytest.approx(3 * 1 / 8))


@pytest.mark.parametrize(("zone", "n"), [("UTC", 1), ("Europe/London", 0)])
def test_a_day_counts_once_its_seven_days_have_passed_by_the_clock(
    session, settings, history, zone, n
):
    a, b = make_theme(session), make_theme(session)
    history(("x", 48, a), ("x", 47, b))  # 24 and 25 March; London loses an hour on the 29th
    london = replace(settings, reporting_zone=zone)
    assert renew_followers(session, settings=london, as_of=date(2026, 3, 31)) == n


def test_of_one_second_the_order_is_that_of_the_source_and_not_of_arrival(session, settings):
    a, b = make_theme(session), make_theme(session)
    customer, batch = make_customer(session), make_batch(session)
    for source_id, theme in (("2", b), ("1", a)):
        make_contact(
            session,
            started_at=at(30),
            customer=customer,
            theme=theme,
            batch=batch,
            source_contact_id=source_id,
            text=None,
        )

    renew_followers(session, settings=settings, as_of=AS_OF)

    assert set(found(session)) == {(a.id, b.id)}


def test_the_statement_agrees_with_a_walk_over_a_long_history(session, settings, history):
    pick = random.Random(5)
    themes = [make_theme(session) for _ in range(4)]
    contacts = [
        (f"c{pick.randrange(25)}", pick.randrange(210 * 24) / 24, pick.choice([*themes, None]))
        for _ in range(400)
    ]
    history(*contacts)

    renew_followers(session, settings=settings, as_of=AS_OF)

    assert found(session) == {
        pair: (*counts[:3], pytest.approx(counts[3])) for pair, counts in walk(contacts).items()
    }


def walk(contacts):
    """Count as the rule says, customer by customer."""
    of: dict[str, list] = defaultdict(list)
    for name, days_ago, theme in contacts:
        if at(days_ago).astimezone(UTC) > at(180):
            of[name].append((at(days_ago), theme))
    mature, followed, customers, bases = Counter(), Counter(), defaultdict(set), Counter()
    total = 0
    for name, visits in of.items():
        visits.sort(key=lambda visit: visit[0])
        for (start, theme), after in zip(visits, [*visits[1:], None], strict=True):
            if start.astimezone(UTC).date() > AS_OF - 7 * DAY:
                continue
            total += 1
            mature[theme] += 1
            if after is None or after[0] - start > 7 * DAY or after[1] is None:
                continue
            bases[after[1]] += 1
            followed[theme, after[1]] += 1
            customers[theme, after[1]].add(name)
    return {
        (theme.id, then.id): (
            mature[theme],
            n,
            len(customers[theme, then]),
            mature[theme] * bases[then] / total,
        )
        for (theme, then), n in followed.items()
        if theme is not None
    }


def test_renewing_replaces_what_stood_and_takes_as_many_statements_whatever_there_is(
    session, settings, database, history
):
    a, b = make_theme(session), make_theme(session)
    history(("x", 40, a), ("x", 39, b))
    renew_followers(session, settings=settings, as_of=AS_OF)
    history(*[(f"p{n}", 30 + n / 10, theme) for n in range(30) for theme in (a, b)])
    session.commit()

    with count_statements(session.get_bind().engine) as seen:
        n = renew_followers(session, settings=settings, as_of=AS_OF)

    assert n == len(found(session))
    assert len([statement for statement in seen if not statement.startswith("BEGIN")]) == 3
    assert renew_followers(session, settings=settings, as_of=AS_OF - 365 * DAY) == 0


def test_without_contacts_there_is_nothing_to_count(session, settings):
    assert renew_followers(session, settings=settings) == 0
