"""Distinct people behind every shown figure, against a count over the contacts themselves.

The data have customers with many contacts, so that a program which counts contacts shows cells
that describe one or two people.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.contacts import HEADLINE_WINDOW, WINDOWS, Basis, window_for
from closedloop.domain.metric_people import BEHIND, people_at_least
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Scope
from closedloop.domain.themes import DemandType
from closedloop.models import ChannelCost, Contact, ContactLink, DriverDay, MetricList
from closedloop.queries import metric_people
from closedloop.queries.metric_counts import days_between, read_groups
from closedloop.queries.metric_people import contact_conditions, group_of_contacts
from closedloop.queries.metric_sums import MetricFilter, people_name
from closedloop.queries.metric_terms import Terms, get_terms
from closedloop.queries.metric_trend import Step, get_metric_page
from closedloop.queries.metrics import (
    Ground,
    counted_days,
    list_groups,
    list_readings,
    read_scopes,
)
from closedloop.queries.repeats import Group as By
from closedloop.queries.repeats import (
    RepeatFilter,
    get_trend,
    get_window_figures,
    get_windows_and_trend,
    list_group_figures,
)
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_theme

FIRST, CUT, K = date(2026, 3, 2), date(2026, 4, 26), 5
PERSON = sa.func.coalesce(Contact.customer_id, -Contact.id)


@pytest.fixture(params=[3, 11])
def history(session, settings, request):
    """Make eight weeks of contacts, a third of them of four customers, some parts of one alone."""
    draw, batch = random.Random(request.param), make_batch(session)
    themes = [make_theme(session) for _ in range(4)]
    themes[0].demand_type, themes[1].demand_type = DemandType.FAILURE, DemandType.VALUE
    heavy = [make_customer(session) for _ in range(4)]
    light = [make_customer(session) for _ in range(60)]

    def contact(i: int, customer, **values) -> None:
        at = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(
            days=draw.randrange(56), seconds=draw.randrange(3600, 80_000)
        )
        fields = {
            "theme": draw.choice([*themes[:3], None]),
            "channel": draw.choice(["phone", "phone", "chat"]),
            "queue": draw.choice(["cards", "loans", "owners", ""]),
            "disposition": draw.choice(["Wrong number", "Card enquiry", ""]),
            "team": draw.choice(["Blue", "Red"]),
            "handle_seconds": draw.choice([None, 120, 480]),
            "abandoned": draw.choice([None, None, True, False]),
            "transfers": draw.choice([None, 0, 1]),
            "resolved": draw.choice([None, True, False]),
            "survey_resolved": draw.choice([None, None, None, True, False]),
            "csat": draw.choice([None, None, 1, 4, 5]),
            "nps": draw.choice([None, None, None, 3, 9]),
            "ces": draw.choice([None, None, None, 2, 6]),
            **values,
        }
        make_contact(
            session,
            batch=batch,
            customer=customer,
            started_at=at,
            source_contact_id=f"n{i:03}",
            text=None,
            **fields,
        )

    for i in range(220):
        contact(i, draw.choice([*light, *light, *heavy, *heavy, None, None]))
    for i in range(220, 240):  # twenty contacts of one customer, alone in its queue and channel
        contact(i, heavy[0], queue="robots", channel="fax", theme=themes[3])
    for i in range(240, 252):  # twelve of four people
        contact(i, draw.choice(heavy), queue="few", disposition="Rare")
    for i in range(252, 255):
        contact(i, None, queue="nobody")
    held = {"set_by": "Test", "valid_from": FIRST}
    session.add(MetricList(kind="net_exclusions", entries=["Wrong number"], **held))
    session.add(MetricList(kind="resolution_queues", entries=["robots", "owners"], **held))
    session.add(ChannelCost(channel="fax", pence_per_minute=50.0, **held))
    for i in range(20):
        session.add(DriverDay(driver="orders", day=FIRST + timedelta(days=i), volume=100.0))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.flush()
    return Ground(FIRST, CUT, K, get_terms(session, 0.0))


def asked(window="7d", first=FIRST, last=CUT, **values) -> MetricFilter:
    return MetricFilter(
        first_day=first, last_day=last, window=window_for(window), values=values, driver="orders"
    )


class Count:
    """People of a group of contacts, counted one by one."""

    def __init__(self, session, ground) -> None:
        self.session, self.ground = session, ground

    def people(self, group, scope, wanted, window, first, last) -> int:
        if group == "customers":
            group = "identified"
        return self.session.scalar(
            sa.select(sa.func.count(sa.distinct(PERSON)))
            .select_from(Contact)
            .outerjoin(ContactLink, ContactLink.contact_id == Contact.id)
            .where(
                group_of_contacts(group, window, self.ground.terms),
                *contact_conditions(scope, wanted, self.ground.terms, first, last),
            )
        )

    def check(self, metric, cell, wanted, first, last, *, is_exact: bool) -> None:
        """Compare one cell: what is shown has K people, and what has them is shown if told."""
        window = metric.window(wanted.window)
        scope = Scope.PLAIN if metric.scope is Scope.CUSTOMERS else metric.scope
        groups = BEHIND[metric.key]
        people = [self.people(g, scope, wanted, window, first, last) for g in groups]
        where = (metric.key, wanted.values, first, last, people)
        assert cell.n is None or people[0] == 0 or people[0] >= K, where
        if cell.state == "known":
            assert all(count == 0 or count >= K for count in people), where
        if cell.state in ("under", "over"):
            small = [p for p, count in zip(people[1:], cell.found.small, strict=True) if count]
            assert min(small) < K, where
        if is_exact and cell.found.value is not None and all(p == 0 or p >= K for p in people):
            assert cell.state in ("known", "cover"), where

    def check_groups(self, metric, wanted, by, *, is_exact: bool) -> None:
        """Compare each part of a breakdown."""
        first, last = counted_days(metric, wanted, self.ground)
        for group in list_groups(self.session, metric, wanted, by=by, ground=self.ground).groups:
            here = asked(**wanted.values, **{by: group.value})
            self.check(metric, group.cell, here, first, last, is_exact=is_exact)

    def check_readings(self, wanted, *, is_exact: bool) -> None:
        """Compare each metric of the overview."""
        for reading in list_readings(self.session, wanted, ground=self.ground):
            days = (reading.first_day, reading.last_day)
            self.check(reading.metric, reading.cell, wanted, *days, is_exact=is_exact)


@pytest.mark.parametrize("window", ["24h", "7d", "30d"])
def test_no_metric_is_shown_of_fewer_than_k_distinct_people(session, history, window):
    count = Count(session, history)
    for values in ({}, {"queue": "robots"}, {"queue": "few"}, {"channel": "chat"}):
        wanted = asked(window, first=date(2026, 3, 23), last=date(2026, 4, 19), **values)
        count.check_readings(wanted, is_exact=True)


@pytest.mark.parametrize("by", ["queue", "channel", "theme"])
def test_no_part_is_shown_of_fewer_than_k_distinct_people(session, history, by):
    count, wanted = Count(session, history), asked()
    for metric in METRICS:
        first, last = counted_days(metric, wanted, history)
        for group in list_groups(session, metric, wanted, by=by, ground=history).groups:
            here = asked(**{by: group.value})
            count.check(metric, group.cell, here, first, last, is_exact=True)
            scope = Scope.PLAIN if metric.scope is Scope.CUSTOMERS else metric.scope
            people = count.people("contacts", scope, here, wanted.window, first, last)
            assert group.contacts is None or people >= K


@pytest.mark.parametrize("step", list(Step))
def test_no_day_week_or_month_is_shown_of_fewer_than_k_distinct_people(session, history, step):
    count = Count(session, history)
    for key in ("repeat_rate_any", "csat", "fcr", "contacts", "customers", "repeat_rate_net"):
        metric = get_metric(key)
        for values in ({}, {"queue": "few"}):
            wanted = asked(**values)
            page = get_metric_page(session, metric, wanted, step=step, ground=history)
            last = counted_days(metric, wanted, history)[1]
            for piece in page.pieces:
                until = min(piece.last_day, last)
                count.check(metric, piece.cell, wanted, piece.first_day, until, is_exact=True)
                if piece.rolling:
                    begin = piece.first_day - timedelta(days=6)
                    count.check(metric, piece.rolling, wanted, begin, until, is_exact=False)


def test_people_who_all_came_on_one_day_of_a_long_period_are_told(session, settings, monkeypatch):
    monkeypatch.setattr(metric_people, "MOST_READ", 40)
    monkeypatch.setattr(metric_people, "SAMPLE", 40)
    batch, first = make_batch(session), datetime(2025, 1, 1, 10, tzinfo=UTC)
    came = [(first + timedelta(days=i), "cards") for i in range(380)]
    came += [(datetime(2025, 9, 1, 10, i, tzinfo=UTC), "recall") for i in range(40)]
    for at, queue in came:
        customer = make_customer(session)
        values = {"started_at": at, "queue": queue, "text": None}
        make_contact(session, batch=batch, customer=customer, **values)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    ground = Ground(date(2025, 1, 1), date(2026, 1, 15), K, Terms())
    wanted = asked(first=date(2025, 1, 1), last=date(2026, 1, 15), channel="phone")

    found = list_groups(session, get_metric("contacts"), wanted, by="queue", ground=ground)

    told = {group.value: (group.cell.state, group.contacts) for group in found.groups}
    assert told == {"cards": ("known", 380), "recall": ("known", 40)}


@pytest.mark.parametrize(
    ("with_time", "state"), [(0, "none"), (1, "few"), (4, "few"), (5, "known")]
)
def test_minutes_of_repeats_are_not_the_handle_time_of_a_few_contacts(
    session, settings, with_time, state
):
    batch = make_batch(session)
    for number in range(12):
        customer = make_customer(session)
        for day in (2, 4):
            make_contact(
                session,
                customer=customer,
                batch=batch,
                started_at=datetime(2026, 3, day, 10, tzinfo=UTC),
                handle_seconds=423 if day == 4 and number < with_time else None,
            )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    ground = Ground(FIRST, date(2026, 3, 4), K, Terms())
    metric, wanted = get_metric("snowball_minutes"), asked(last=date(2026, 3, 4))

    (reading,) = list_readings(session, wanted, ground=ground, metrics=[metric])
    (group,) = list_groups(session, metric, wanted, by="channel", ground=ground).groups

    for cell in (reading.cell, group.cell):
        assert cell.state == state
        assert cell.value == (pytest.approx(423 * 5 / 60) if state == "known" else None)


def test_twenty_contacts_of_one_customer_are_no_cell(session, history):
    found = list_groups(session, get_metric("contacts"), asked(), by="queue", ground=history)

    by_value = {group.value: group for group in found.groups}
    assert by_value["robots"].cell.found.n == 20
    assert by_value["robots"].cell.state == "few"
    assert by_value["robots"].contacts is None
    assert by_value["few"].cell.state == "few"
    assert by_value["cards"].cell.state == "known"


def test_the_sums_never_claim_more_people_than_there_are(session, history):
    count, wanted = Count(session, history), asked()
    sums = read_scopes(session, wanted, history, METRICS)
    for metric in METRICS:
        if metric.scope is Scope.CUSTOMERS:
            continue
        window, of_scope = metric.window(wanted.window), sums[metric.scope]
        for first, last in ((FIRST, CUT), (date(2026, 3, 9), date(2026, 3, 15))):
            days = days_between(first, last)
            for group in BEHIND[metric.key]:
                sure = people_at_least(group, of_scope.daily, days, window.key, enough=10_000)
                people = count.people(group, metric.scope, wanted, window, first, last)
                assert sure <= people, (metric.key, group)
                assert people == 0 or sure > 0


def test_repeats_by_queue_day_and_window_are_of_k_people_or_hidden(session, history):
    count, wanted = Count(session, history), asked()
    values = RepeatFilter(first_day=FIRST, last_day=CUT)
    shown = []
    for group in list_group_figures(
        session, values, group=By.QUEUE, window=HEADLINE_WINDOW, cut=CUT, k=K
    ):
        value = "" if group.value == "-" else group.value
        shown.append((asked(queue=value), group.figures, HEADLINE_WINDOW))
    every = get_window_figures(session, values, cut=CUT, k=K)
    shown += [(wanted, figures, window) for figures, window in zip(every, WINDOWS, strict=True)]
    for here, figures, window in shown:
        days = (FIRST, figures.last_day)

        def people(group, here=here, window=window, days=days):
            return count.people(group, Scope.PLAIN, here, window, *days)

        may = figures.shown
        assert may.contacts is None or people("contacts") >= K
        assert may.identified is None or people("identified") in {0, *range(K, 99)}
        for basis in Basis:
            assert may.repeats(basis) is None or people(basis.value) in {0, *range(K, 99)}
            left = people(f"unresolved_{basis.value}")
            assert may.resolved(basis) is None or left in {0, *range(K, 99)}
        if may.identified is None:
            assert may.unidentified_share is None
    assert any(figures.shown.is_hidden for _, figures, _ in shown)
    assert any(figures.shown.repeats(Basis.ANY) for _, figures, _ in shown)


def test_no_day_of_the_trend_gives_a_rate_of_too_few_away(session, history):
    count, wanted = Count(session, history), asked()
    found = get_trend(
        session,
        RepeatFilter(first_day=FIRST, last_day=CUT),
        window=HEADLINE_WINDOW,
        cut=CUT,
        first_data_day=FIRST,
        k=K,
    )
    drawn = 0
    for day in found.days:
        for rate, group in ((day.any, "any"), (day.same, "same")):
            people = count.people(group, Scope.PLAIN, wanted, HEADLINE_WINDOW, day.day, day.day)
            assert rate is None or people in {0, *range(K, 99)}
            if day.day > FIRST + timedelta(days=6):
                begin = day.day - timedelta(days=6)
                week = count.people(group, Scope.PLAIN, wanted, HEADLINE_WINDOW, begin, day.day)
                seven = day.any7 if group == "any" else day.same7
                assert seven is None or week in {0, *range(K, 99)}
                drawn += seven is not None
    assert drawn > 10


@pytest.mark.parametrize("chosen", [{}, {"channel": "chat"}, {"queue": "few"}])
def test_a_page_that_reads_the_sums_once_shows_what_each_part_of_it_would(session, history, chosen):
    ground = {"cut": CUT, "k": K, "zone": "UTC"}
    for first, last in ((FIRST, CUT), (FIRST + timedelta(days=20), FIRST + timedelta(days=40))):
        wanted = RepeatFilter(first_day=first, last_day=last, **chosen)
        for window in WINDOWS:
            of_trend = {"window": window, "first_data_day": FIRST, **ground}
            figures, trend = get_windows_and_trend(session, wanted, **of_trend)
            assert figures == get_window_figures(session, wanted, **ground)
            assert trend == get_trend(session, wanted, **of_trend)
            assert trend.days


def test_where_the_contacts_are_many_only_the_first_are_looked_at(session, history, monkeypatch):
    monkeypatch.setattr(metric_people, "MOST_READ", 40)
    count, metric, wanted = Count(session, history), get_metric("contacts"), asked()

    by_value = {
        group.value: group
        for group in list_groups(session, metric, wanted, by="queue", ground=history).groups
    }
    assert by_value["robots"].cell.state == "unsure"
    assert by_value["robots"].cell.n is None
    assert by_value["cards"].cell.state == "known"
    for each in METRICS:
        count.check_groups(each, wanted, "queue", is_exact=False)
    count.check_readings(wanted, is_exact=False)


def test_of_many_contacts_the_few_of_a_channel_are_all_looked_at(session, history, monkeypatch):
    monkeypatch.setattr(metric_people, "MOST_READ", 100)
    monkeypatch.setattr(metric_people, "SAMPLE", 10)
    count, wanted = Count(session, history), asked(channel="chat")
    for metric in METRICS:
        count.check_groups(metric, wanted, "queue", is_exact=True)
    count.check_readings(wanted, is_exact=True)


def test_of_many_contacts_those_of_themes_in_doubt_are_all_looked_at(session, history, monkeypatch):
    monkeypatch.setattr(metric_people, "MOST_READ", 240)
    monkeypatch.setattr(metric_people, "SAMPLE", 0)
    count, metric = Count(session, history), get_metric("contacts")
    for queue in ("cards", "few", "robots"):
        count.check_groups(metric, asked(queue=queue), "theme", is_exact=True)


def test_people_are_told_from_each_part_of_a_day_where_the_day_alone_would_not(session):
    """What opens nothing in one queue takes nothing from those who are new in another."""
    theme = make_theme(session)
    day = date(2026, 3, 10)
    new = {"opening_same_7d": 40}
    make_rollup(session, theme, day, 40, queue="cards", **new)
    none = {f"opening_any_{window.key}": 0 for window in WINDOWS}
    make_rollup(session, theme, day, 60, queue="owners", **none)

    found = read_groups(
        session,
        Scope.PLAIN,
        ["contacts"],
        MetricFilter(
            first_day=day, last_day=day, window=window_for("7d"), values={"channel": "phone"}
        ),
        Terms(),
        by="theme",
        first_day=day,
        last_day=day,
        groups=[("opening_same", "7d")],
    )

    assert found[str(theme.id)][people_name("opening_same", "7d")] == 40
