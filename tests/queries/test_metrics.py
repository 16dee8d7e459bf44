"""Metrics from the roll-ups against plain loops over the contacts; maturity, lists, prices."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.contacts import WINDOWS, window_for
from closedloop.domain.home import Change
from closedloop.domain.metric_table import METRICS, get_metric
from closedloop.domain.metrics import Scope
from closedloop.domain.themes import DemandType
from closedloop.models import ChannelCost, Contact, DriverDay, MetricGoal, MetricList
from closedloop.queries import metric_counts
from closedloop.queries.figures import find_figures
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms, get_terms, list_drivers
from closedloop.queries.metric_trend import Step, get_metric_page
from closedloop.queries.metrics import Ground, default_days, list_groups, list_readings
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.themes import make_theme
from tests.statements import count_statements

FIRST, CUT = date(2026, 3, 2), date(2026, 4, 12)
LIST_FROM, PRICE_FROM = date(2026, 3, 9), date(2026, 3, 16)
PRICES = {"phone": 60.0, "": 30.0}


@pytest.fixture
def themes(session):
    """A theme of failure demand, one of value, one that nobody judged."""
    found = [make_theme(session) for _ in range(3)]
    found[0].demand_type, found[1].demand_type = DemandType.FAILURE, DemandType.VALUE
    return found


@pytest.fixture
def centre(session, settings, themes):
    """Make six weeks of 400 contacts with gaps in every field, and all that figures need."""
    draw, batch = random.Random(7), make_batch(session)
    customers = [make_customer(session) for _ in range(60)]
    for i in range(400):
        start = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(
            days=draw.randrange(42), seconds=draw.randrange(3600, 80_000)
        )
        make_contact(
            session,
            batch=batch,
            started_at=start,
            source_contact_id=f"n{i:03}",
            customer=draw.choice([*customers, None, None, None]),
            theme=draw.choice([*themes, None]),
            text=None,
            channel=draw.choice(["phone", "phone", "chat", ""]),
            queue=draw.choice(["cards", "owners", ""]),
            disposition=draw.choice(["Wrong number", "Card enquiry", ""]),
            team=draw.choice(["Blue", "Red", ""]),
            language=draw.choice(["en", "lt"]),
            handle_seconds=draw.choice([None, 120, 480, 33]),
            abandoned=draw.choice([None, True, False, False]),
            transfers=draw.choice([None, 0, 0, 1, 3]),
            resolved=draw.choice([None, True, False]),
            survey_resolved=draw.choice([None, None, True, False]),
            csat=draw.choice([None, None, 1, 3, 4, 5]),
            nps=draw.choice([None, None, 0, 6, 7, 9, 10]),
            ces=draw.choice([None, None, 1, 4.5, 7]),
        )
    held = {"set_by": "Test", "valid_from": LIST_FROM}
    session.add(MetricList(kind="net_exclusions", entries=["Wrong number"], **held))
    session.add(MetricList(kind="resolution_queues", entries=["owners"], **held))
    for channel, pence in PRICES.items():
        session.add(
            ChannelCost(
                channel=channel, pence_per_minute=pence, valid_from=PRICE_FROM, set_by="Test"
            )
        )
    for i in range(20):
        session.add(DriverDay(driver="orders", day=date(2026, 3, 10 + i), volume=100.5))
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.flush()
    return Ground(FIRST, CUT, 1, get_terms(session, 62.0))


def asked(window="7d", first=FIRST, last=CUT, driver="orders", **values) -> MetricFilter:
    return MetricFilter(
        first_day=first, last_day=last, window=window_for(window), values=values, driver=driver
    )


def close_to(value):
    return None if value is None else pytest.approx(value)


class Loop:
    """The contacts as a list, and every metric by going over it."""

    def __init__(self, session: Session, wanted: MetricFilter) -> None:
        self.everybody = session.scalars(sa.select(Contact)).all()
        # read once: an attribute of a row is slow to ask for, and each is asked for often
        self.of_customer = defaultdict(list)
        for c in self.everybody:
            self.of_customer[c.customer_id].append((c.started_at, c.source_contact_id, c.theme_id))
        self.seconds = wanted.window.seconds
        self.mature = CUT - timedelta(days=wanted.window.days)
        self.wanted = wanted

    def fits(self, c: Contact) -> bool:
        of = {name: getattr(c, name) for name in self.wanted.values if name != "theme"}
        of["theme"] = str(c.theme_id or "")
        return self.wanted.first_day <= c.local_day <= self.wanted.last_day and all(
            of[name] == value for name, value in self.wanted.values.items()
        )

    def near(self, c: Contact, *, after: bool, same: bool = False, seconds=None) -> bool:
        here = (c.started_at, c.source_contact_id)
        for start, contact_id, theme_id in self.of_customer[c.customer_id]:
            gap = abs((start - c.started_at).total_seconds())
            if (
                here != (start, contact_id)
                and ((start, contact_id) > here) is after
                and gap <= (seconds or self.seconds)
                and (not same or (c.theme_id and c.theme_id == theme_id))
            ):
                return True
        return False

    def all(self):
        return [c for c in self.everybody if self.fits(c)]

    def known(self, *, mature=True, until=None):
        last = until or (self.mature if mature else CUT)
        return [c for c in self.all() if c.customer_id and c.local_day <= last]

    def values(self) -> dict[str, float | None]:
        known, mature = self.known(mature=False), self.known()
        net = [c for c in mature if c.local_day >= LIST_FROM and c.disposition != "Wrong number"]
        owners = [
            c
            for c in self.known(until=CUT - timedelta(days=7))
            if c.local_day >= LIST_FROM and c.queue == "owners"
        ]
        again = [c for c in known if self.near(c, after=False)]
        followed = [c for c in mature if self.near(c, after=True)]
        everything = self.all()
        judged = [c for c in everything if c.theme and c.theme.demand_type is not None]
        drove = [c for c in everything if date(2026, 3, 10) <= c.local_day <= date(2026, 3, 29)]
        opened = sum(c.customer_id is not None and c not in again for c in drove)
        span = [date(2026, 3, 10) + timedelta(days=i) for i in range(20)]
        volume = 100.5 * sum(self.wanted.first_day <= d <= self.wanted.last_day for d in span)
        handled = [c for c in everything if c.handle_seconds is not None]
        said = {
            name: [getattr(c, name) for c in everything if getattr(c, name) is not None]
            for name in (
                *("abandoned", "transfers", "resolved", "survey_resolved", "csat", "nps", "ces"),
            )
        }
        return {
            "repeat_rate_any": self.share(followed, mature),
            "repeat_rate_same": self.share(
                [c for c in mature if self.near(c, after=True, same=True)], mature
            ),
            "repeat_rate_net": self.share([c for c in net if self.near(c, after=True)], net),
            "repeat_share": self.share(again, known),
            "next_contact_avoidance": 1 - self.share(followed, mature),
            "snowball_contacts": len(again),
            "snowball_minutes": sum(c.handle_seconds or 0 for c in again) / 60,
            "resolution_team_repeats": self.share(
                [c for c in owners if self.near(c, after=True, seconds=7 * 86400)], owners
            ),
            "fcr": self.resolved(mature, same=True),
            "fcr_net": self.resolved(net, same=True),
            "fcr_survey": self.mean(said["survey_resolved"]),
            "one_contact_resolution": self.resolved(mature, same=False),
            "call_resolution": sum(said["resolved"]) / len(everything),
            "contacts_per_resolution": len(mature) / (len(mature) - len(followed)),
            "contacts": len(everything),
            "customers": len({c.customer_id for c in known}),
            "contact_rate": len(drove) / volume * 1000 if volume else None,
            "contact_rate_net": opened / volume * 1000 if volume else None,
            "failure_share": self.share(
                [c for c in judged if c.theme.demand_type is DemandType.FAILURE], judged
            ),
            "aht": self.mean([c.handle_seconds for c in handled]),
            "abandonment": self.mean(said["abandoned"]),
            "transfer_rate": self.mean([t > 0 for t in said["transfers"]]),
            "cost_per_contact": self.mean([c.handle_seconds / 60 * self.price(c) for c in handled]),
            "csat": self.mean([v >= 4 for v in said["csat"]]),
            "nps": self.mean([100 * ((v >= 9) - (v <= 6)) for v in said["nps"]]),
            "ces": self.mean(said["ces"]),
        }

    def price(self, c: Contact) -> float:
        if c.local_day < PRICE_FROM:
            return 62.0
        return PRICES.get(c.channel, PRICES[""])

    def resolved(self, among, *, same):
        opening = [c for c in among if not self.near(c, after=False, same=same)]
        return self.share([c for c in opening if not self.near(c, after=True, same=same)], opening)

    @staticmethod
    def share(part, whole):
        return len(part) / len(whole) if whole else None

    @staticmethod
    def mean(values):
        return sum(values) / len(values) if values else None


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"channel": "phone"},
        {"queue": "owners"},
        {"disposition": ""},
        {"team": "Blue", "language": "lt"},
        {"theme": "0", "channel": "chat"},
    ],
    ids=str,
)
def test_every_metric_is_what_a_loop_over_the_contacts_finds(session, centre, themes, values):
    if "theme" in values:
        values = {**values, "theme": str(themes[int(values["theme"])].id)}
    for window in [w.key for w in WINDOWS] if not values else ["72h"]:
        wanted = asked(window, **values)
        found = list_readings(session, wanted, ground=centre)
        expected = Loop(session, wanted).values()
        assert {r.metric.key for r in found} == set(expected)
        for reading in found:
            key = reading.metric.key
            assert reading.cell.found.value == close_to(expected[key]), (window, key)


def test_a_part_of_the_time_is_counted_alike(session, centre):
    wanted = asked(first=date(2026, 3, 12), last=date(2026, 3, 27))
    expected = Loop(session, wanted).values()
    for reading in list_readings(session, wanted, ground=centre):
        assert reading.cell.found.value == close_to(expected[reading.metric.key])


@pytest.mark.parametrize("by", ["channel", "queue", "disposition", "theme", "team", "language"])
def test_the_groups_of_every_metric_are_its_filters(session, centre, by):
    wanted = asked(last=date(2026, 4, 5))
    for metric in METRICS:
        found = list_groups(session, metric, wanted, by=by, ground=centre)
        assert found.total == len(found.groups)
        for group in found.groups[:2]:
            alone = asked(last=date(2026, 4, 5), **{by: group.value})
            one = list_readings(session, alone, ground=centre, metrics=[metric])[0]
            assert group.cell.value == close_to(one.cell.value), (metric.key, group.value)


def test_pieces_add_up_to_the_period_and_leave_maturing_days_out(session, centre):
    metric, wanted = get_metric("repeat_rate_any"), asked()
    for step in Step:
        page = get_metric_page(session, metric, wanted, step=step, ground=centre)
        assert page.pieces[0].first_day == FIRST
        assert page.pieces[-1].last_day == CUT
        parts = [piece.cell.found for piece in page.pieces]
        whole = page.reading.cell.found
        assert sum(p.numerator for p in parts) == whole.numerator
        assert sum(p.denominator for p in parts) == whole.denominator
        assert page.reading.last_day == date(2026, 4, 5)
        maturing = [piece for piece in page.pieces if piece.is_maturing]
        assert min(piece.last_day for piece in maturing) > date(2026, 4, 5)
        days_after = [p for p in page.pieces if p.first_day > date(2026, 4, 5)]
        assert bool(days_after) is (step is not Step.MONTH)
        assert not {piece.cell.value for piece in days_after} - {None}


@pytest.mark.parametrize("metric", ["repeat_rate_any", "fcr", "contacts"])
def test_a_period_that_ends_before_the_last_mature_day_ends_there(session, centre, metric):
    wanted = asked(last=date(2026, 4, 4))  # 5 April is the last mature day
    for step in Step:
        page = get_metric_page(session, get_metric(metric), wanted, step=step, ground=centre)
        assert page.pieces[-1].last_day == date(2026, 4, 4)
        assert not any(piece.is_maturing for piece in page.pieces)


def test_a_period_that_ends_on_the_last_mature_day_shows_those_that_mature_behind_it(
    session, centre
):
    wanted = asked(last=date(2026, 4, 5))
    for metric, last in (("fcr", CUT), ("contacts", date(2026, 4, 5))):
        page = get_metric_page(session, get_metric(metric), wanted, step=Step.DAY, ground=centre)
        assert page.pieces[-1].last_day == last
        first_maturing = next((p.first_day for p in page.pieces if p.is_maturing), None)
        assert first_maturing == (date(2026, 4, 6) if metric == "fcr" else None)


def test_weeks_begin_on_mondays_and_parts_of_one_say_so(session, centre):
    wanted = asked(first=date(2026, 3, 4), last=date(2026, 3, 24))
    page = get_metric_page(session, get_metric("contacts"), wanted, step=Step.WEEK, ground=centre)

    assert [(p.first_day.day, p.last_day.day, p.is_whole) for p in page.pieces] == [
        (4, 8, False),
        (9, 15, True),
        (16, 22, True),
        (23, 24, False),
    ]


def test_customers_of_a_week_are_counted_once(session, centre):
    wanted = asked(first=date(2026, 3, 9), last=date(2026, 3, 22))
    page = get_metric_page(session, get_metric("customers"), wanted, step=Step.WEEK, ground=centre)

    def distinct(first, last):
        return session.scalar(
            sa.select(sa.func.count(sa.distinct(Contact.customer_id))).where(
                Contact.local_day.between(first, last)
            )
        )

    expected = [
        distinct(date(2026, 3, 9), date(2026, 3, 15)),
        distinct(date(2026, 3, 16), date(2026, 3, 22)),
    ]
    assert [piece.cell.value for piece in page.pieces] == expected
    assert page.reading.cell.value == distinct(date(2026, 3, 9), date(2026, 3, 22))
    assert page.reading.cell.value < sum(expected)


def test_customers_of_many_weeks_are_each_read_from_its_days(
    session, database, centre, monkeypatch
):
    monkeypatch.setattr(metric_counts, "SPANS_PER_STATEMENT", 2)
    wanted, terms = asked(channel="phone"), Terms()
    weeks = [FIRST + timedelta(days=days) for days in (0, 7, 14, 21, 3000)]
    spans = [(week, week + timedelta(days=6)) for week in weeks]
    alone = [metric_counts.count_customers(session, wanted, terms, [span])[0] for span in spans]

    with count_statements(database.engine) as seen:
        together = metric_counts.count_customers(session, wanted, terms, spans)

    assert together == alone
    assert together[-1] == {"contacts": 0, "identified": 0, "customers": 0}
    assert len(seen) == 3
    assert not any("CASE" in statement for statement in seen)


def test_seven_days_roll_only_where_seven_days_are_there(session, centre):
    page = get_metric_page(
        session, get_metric("csat"), asked(last=date(2026, 3, 20)), step=Step.DAY, ground=centre
    )

    rolling = [piece.rolling for piece in page.pieces]
    assert rolling[:6] == [None] * 6
    week = asked(first=date(2026, 3, 2), last=date(2026, 3, 8))
    alone = list_readings(session, week, ground=centre, metrics=[get_metric("csat")])[0]
    assert rolling[6] is not None
    assert rolling[6].value == pytest.approx(alone.cell.value)


def test_the_period_before_is_as_long_and_lies_in_the_data(session, centre):
    metric = get_metric("repeat_rate_any")
    wanted = asked(first=date(2026, 3, 23))  # counted to 5 April: 14 days
    reading = list_readings(session, wanted, ground=centre, metrics=[metric])[0]
    earlier = asked(first=date(2026, 3, 9), last=date(2026, 3, 22))
    alone = list_readings(session, earlier, ground=centre, metrics=[metric])[0]
    assert reading.before is not None
    assert reading.before.value == pytest.approx(alone.cell.value)
    assert reading.difference == pytest.approx(reading.cell.value - alone.cell.value)
    assert reading.change is Change.FLAT  # a few hundred contacts do not tell

    too_long = list_readings(session, asked(), ground=centre, metrics=[metric])[0]
    assert too_long.before is None
    assert too_long.difference is None


def test_a_window_longer_than_the_data_counts_nothing(session, centre):
    ground = Ground(FIRST, date(2026, 3, 20), 1, centre.terms)
    reading = list_readings(
        session, asked("30d"), ground=ground, metrics=[get_metric("repeat_rate_any")]
    )[0]
    assert (reading.days, reading.cell.value, reading.before) == (0, None, None)


def test_the_default_period_is_the_last_four_mature_weeks(centre):
    assert default_days(centre, window_for("7d")) == (date(2026, 3, 9), date(2026, 4, 5))
    assert default_days(centre, window_for("30d")) == (date(2026, 3, 2), date(2026, 3, 13))


def test_without_a_list_net_figures_and_teams_say_so(session, centre):
    bare = Ground(FIRST, CUT, 1, Terms())
    for key in ("repeat_rate_net", "fcr_net", "resolution_team_repeats"):
        reading = list_readings(session, asked(), ground=bare, metrics=[get_metric(key)])[0]
        assert reading.cell.value is None
        assert reading.cell.found.n == 0
        assert "under Metrics, Lists" in reading.cell.found.why


def test_one_price_for_all_and_no_judged_theme_need_no_dimension(session, centre):
    everywhere = [row for row in centre.terms.costs if not row.channel]
    plain = Ground(FIRST, CUT, 1, Terms(costs=tuple(everywhere), default_pence=62.0))
    metrics = [get_metric("cost_per_contact"), get_metric("failure_share"), get_metric("aht")]

    later = asked(first=PRICE_FROM)
    cost, judged, aht = list_readings(session, later, ground=plain, metrics=metrics)

    assert cost.cell.value == pytest.approx(aht.cell.value / 60 * 30)
    assert "has been judged" in judged.cell.found.why
    groups = list_groups(session, metrics[0], later, by="team", ground=plain).groups
    assert {group.value for group in groups} == {"Blue", "Red", ""}


@pytest.mark.parametrize("values", [{}, {"channel": "phone"}, {"channel": "phone", "team": "Blue"}])
def test_a_list_holds_until_the_next_one(session, centre, values):
    """From 23 March on nothing is left out any more, so net is gross from there."""
    session.add(
        MetricList(kind="net_exclusions", entries=[], valid_from=date(2026, 3, 23), set_by="Test")
    )
    session.flush()
    ground = Ground(FIRST, CUT, 1, get_terms(session, 62.0))
    metrics = [get_metric("repeat_rate_net"), get_metric("repeat_rate_any")]

    def bases(first, last):
        wanted = asked(first=first, last=last, **values)
        readings = list_readings(session, wanted, ground=ground, metrics=metrics)
        return [reading.cell.found.denominator for reading in readings]

    change, end = date(2026, 3, 23), asked().last_day
    net_later, later = bases(change, end)
    assert net_later == later > 0
    net_before, before = bases(LIST_FROM, change - timedelta(days=1))
    assert net_before < before
    assert bases(LIST_FROM, end) == [net_before + later, before + later]
    assert bases(FIRST, end)[0] == net_before + later  # before the list there is no net


def test_the_newest_price_of_a_day_counts_and_one_without_falls_back(session, centre):
    session.add(
        ChannelCost(
            channel="phone", pence_per_minute=600, valid_from=date(2026, 4, 1), set_by="Test"
        )
    )
    session.flush()
    ground = Ground(FIRST, CUT, 1, get_terms(session, 0.0))
    metric = get_metric("cost_per_contact")

    def cost(first, last, channel):
        wanted = asked(first=first, last=last, channel=channel)
        return list_readings(session, wanted, ground=ground, metrics=[metric])[0].cell

    aht = list_readings(
        session,
        asked(first=date(2026, 4, 1), last=CUT, channel="phone"),
        ground=ground,
        metrics=[get_metric("aht")],
    )[0].cell.value
    assert cost(date(2026, 4, 1), CUT, "phone").value == pytest.approx(aht / 60 * 600)
    unpriced = cost(FIRST, date(2026, 3, 15), "phone")
    assert unpriced.value is None
    assert "Set costs" in unpriced.found.why


def test_goals_hold_from_their_day_until_they_end(session, centre):
    for day, goal in ((date(2026, 3, 10), 0.2), (date(2026, 3, 20), 0.15), (CUT, None)):
        session.add(
            MetricGoal(
                metric="repeat_rate_any", window="7d", valid_from=day, goal=goal, set_by="Test"
            )
        )
    session.flush()
    ground = Ground(FIRST, CUT, 1, get_terms(session, 62.0))
    metric = get_metric("repeat_rate_any")

    page = get_metric_page(session, metric, asked(), step=Step.DAY, ground=ground)

    goals = {piece.first_day: piece.goal for piece in page.pieces}
    assert goals[date(2026, 3, 9)] is None
    assert goals[date(2026, 3, 19)] == 0.2
    assert goals[date(2026, 4, 11)] == 0.15
    assert goals[CUT] is None
    assert page.reading.goal == 0.15
    assert page.reading.meets_goal is (page.reading.cell.value <= 0.15)
    other = get_metric_page(session, metric, asked("72h"), step=Step.DAY, ground=ground)
    assert other.reading.goal is None


def test_fewer_than_k_are_shown_nowhere(session, centre):
    ground = Ground(FIRST, CUT, 12, centre.terms)
    metric = get_metric("csat")

    page = get_metric_page(session, metric, asked(), step=Step.DAY, ground=ground)
    groups = list_groups(session, metric, asked(), by="theme", ground=ground)

    for piece in page.pieces:
        for cell in (piece.cell, piece.rolling):
            assert cell is None or cell.n is None or cell.n == 0 or cell.n >= 12
        assert piece.contacts is None or piece.contacts == 0 or piece.contacts >= 12
    assert any(piece.contacts is None for piece in page.pieces)
    assert all(group.cell.n is None or group.cell.n >= 12 for group in groups.groups)


def test_the_overview_takes_one_or_two_statements_a_scope_whatever_there_is(
    session, database, centre
):
    with count_statements(database.engine) as seen:
        list_readings(session, asked(), ground=centre)
    scopes = {metric.scope for metric in METRICS}
    # and the volumes of the driver, what a list leaves out, and how many are of judged themes
    assert len(seen) == len(scopes) + 3
    reading_contacts = [s for s in seen if "FROM contacts" in s]
    assert len(reading_contacts) == 1  # distinct customers


def test_drivers_are_listed_by_name(session, centre):
    session.add(DriverDay(driver="bills", day=date(2026, 3, 1), volume=7))
    session.flush()

    assert get_terms(session, 0.0).drivers == ("bills", "orders")
    assert [(d.driver, d.days, d.volume) for d in list_drivers(session)] == [
        ("bills", 1, 7.0),
        ("orders", 20, 2010.0),
    ]


def test_scopes_under_two_filters_are_read_together(session, database, centre):
    with count_statements(database.engine) as seen:
        list_readings(session, asked(channel="phone", queue="cards"), ground=centre)
    scopes = {metric.scope for metric in METRICS}
    together = {Scope.PLAIN, Scope.JUDGED, Scope.PRICED, Scope.DRIVEN}
    assert len(seen) == len(scopes - together) + 1 + 1  # one for these, and the volumes


def test_days_of_everything_are_looked_up_without_a_look_at_other_slices(session, centre):
    days = find_figures({})
    wanted = sa.select(days.table.day).where(*days.between(FIRST, CUT))

    assert len(session.execute(wanted).all()) == (CUT - FIRST).days + 1
    if session.get_bind().dialect.name == "sqlite":
        sql = str(wanted.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()
        assert "(kind=? AND value=? AND day>? AND day<?)" in str(plan)
