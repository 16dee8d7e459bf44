"""Goals, prices, lists and driver volumes: added, never rewritten, and put down to somebody."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Invalid, NotFound
from closedloop.domain.metrics import ListKind
from closedloop.models import AuditEvent, ChannelCost, DriverDay, MetricGoal, MetricList
from closedloop.services.metrics import (
    MOST_DRIVER_BYTES,
    end_goal,
    import_drivers,
    set_channel_cost,
    set_goal,
    set_metric_list,
)

DAY, TODAY = date(2026, 3, 2), date(2026, 4, 1)


def events(session) -> list[str]:
    return list(session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)))


def rate_goal(session, actor, **values):
    return set_goal(
        session,
        **{
            **{"metric": "repeat_rate_any", "window": "7d", "valid_from": DAY, "goal": 0.15},
            **values,
            "by": actor,
        },
    )


def test_set_goal_adds_a_row_and_keeps_those_before(session, actor):
    rate_goal(session, actor, note="  board   of March ")
    rate_goal(session, actor, goal=0.12, valid_from=date(2026, 4, 1))

    rows = session.scalars(sa.select(MetricGoal).order_by(MetricGoal.id)).all()
    assert [(row.valid_from, row.goal, row.note) for row in rows] == [
        (DAY, 0.15, "board of March"),
        (date(2026, 4, 1), 0.12, ""),
    ]
    assert {row.set_by for row in rows} == {actor.name}
    assert events(session) == ["metrics.goal_set"] * 2


def test_set_goal_sent_twice_is_one_goal(session, actor):
    first = rate_goal(session, actor)
    assert rate_goal(session, actor) is first
    assert events(session) == ["metrics.goal_set"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"goal": 15}, "between 0 and 1"),
        ({"goal": float("nan")}, "between 0 and 1"),
        ({"window": ""}, "no such window"),
        ({"window": "8d"}, "24h, 72h, 7d, 14d, 30d"),
        ({"metric": "csat", "window": "7d"}, "has none"),
        ({"metric": "resolution_team_repeats", "window": "30d"}, "Choose one of 7d"),
        ({"metric": "aht", "window": "", "goal": 300}, "no good side"),
        ({"valid_from": date(1999, 1, 1)}, "between 2000-01-01"),
        ({"note": "x" * 301}, "300 characters"),
    ],
)
def test_set_goal_refuses_what_makes_no_sense(session, actor, values, words):
    with pytest.raises(Invalid, match=words) as refused:
        rate_goal(session, actor, **values)
    assert refused.value.fields
    assert events(session) == []


def test_set_goal_of_an_unknown_metric_is_not_found(session, actor):
    with pytest.raises(NotFound):
        rate_goal(session, actor, metric="magic")


def test_end_goal_ends_it_once(session, actor):
    rate_goal(session, actor)
    end = {"metric": "repeat_rate_any", "window": "7d", "valid_from": TODAY, "by": actor}
    assert end_goal(session, **end).goal is None
    with pytest.raises(Invalid, match="has no goal on 2026-04-01"):
        end_goal(session, **end)
    with pytest.raises(Invalid, match="has no goal"):
        end_goal(session, **{**end, "valid_from": date(2026, 3, 1)})
    assert events(session) == ["metrics.goal_set", "metrics.goal_ended"]


def test_set_channel_cost_is_kept_as_channels_are_written(session, actor):
    set_channel_cost(session, channel=" Phone ", valid_from=DAY, pence_per_minute=62.5, by=actor)
    set_channel_cost(session, channel="", valid_from=DAY, pence_per_minute=30, by=actor)

    costs = sa.select(ChannelCost.channel, ChannelCost.pence_per_minute).order_by(ChannelCost.id)
    rows = session.execute(costs).all()
    assert [tuple(row) for row in rows] == [("phone", 62.5), ("", 30.0)]
    assert events(session) == ["metrics.cost_set"] * 2


@pytest.mark.parametrize("pence", [-1, float("inf"), float("nan"), 100_001])
def test_set_channel_cost_refuses_no_price(session, actor, pence):
    with pytest.raises(Invalid, match="between 0 and 1,000"):
        set_channel_cost(session, channel="", valid_from=DAY, pence_per_minute=pence, by=actor)


def fix(session, actor, entries, valid_from, kind=ListKind.NET_EXCLUSIONS):
    return set_metric_list(
        session, kind=kind, valid_from=valid_from, entries=entries, today=TODAY, by=actor
    )


def test_only_the_first_list_reaches_into_the_past(session, actor):
    fix(session, actor, ["Wrong number", " Wrong number ", ""], DAY)
    with pytest.raises(Invalid, match="from today \\(2026-04-01\\) on"):
        fix(session, actor, ["Card enquiry"], date(2026, 3, 31))
    fix(session, actor, [], TODAY)
    fix(session, actor, ["owners"], DAY, ListKind.RESOLUTION_QUEUES)  # the first of its kind

    lists = sa.select(MetricList.kind, MetricList.entries).order_by(MetricList.id)
    rows = session.execute(lists).all()
    assert [tuple(row) for row in rows] == [
        ("net_exclusions", ["Wrong number"]),
        ("net_exclusions", []),
        ("resolution_queues", ["owners"]),
    ]
    assert events(session) == ["metrics.list_set"] * 3


def test_a_list_sent_twice_is_one_list(session, actor):
    first = fix(session, actor, ["Wrong number"], DAY)
    assert fix(session, actor, ["Wrong number"], DAY) is first


def test_a_list_has_bounds(session, actor):
    with pytest.raises(Invalid, match="At most 200 entries"):
        fix(session, actor, ["x" * 121], DAY)


def volumes(session):
    rows = session.execute(sa.select(DriverDay.driver, DriverDay.day, DriverDay.volume))
    return {(row.driver, row.day.day): row.volume for row in rows}


def test_import_drivers_twice_changes_nothing_and_a_new_volume_is_reported(session, actor):
    data = b"day,driver,volume\n2026-03-01,orders,100\n2026-03-02,orders,110\n2026-03-01,bills,7\n"
    first = import_drivers(session, data=data, file_name="march.csv", by=actor)
    again = import_drivers(session, data=data, by=actor)
    third = import_drivers(
        session, data=b"day,volume\n2026-03-02,111\n2026-03-03,120\n", driver="orders", by=actor
    )

    assert first.drivers == ("bills", "orders")
    assert (first.added, first.changed, first.unchanged) == (3, 0, 0)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 3)
    assert (third.added, third.changed, third.unchanged) == (1, 1, 0)
    assert volumes(session) == {
        ("orders", 1): 100,
        ("orders", 2): 111,
        ("orders", 3): 120,
        ("bills", 1): 7,
    }
    assert events(session) == ["metrics.drivers_imported"] * 2


def test_import_drivers_takes_all_or_nothing_and_names_the_lines(session, actor):
    data = b"day,driver,volume\n2026-03-01,orders,100\n2026-3-2,orders,1\n2026-03-01,orders,99\n"
    with pytest.raises(Invalid) as refused:
        import_drivers(session, data=data, by=actor)

    said = refused.value.fields["file"]
    assert said.startswith("Nothing was taken in. Line 3: the day “2026-3-2” is no day")
    assert "Line 4: orders on 2026-03-01 stands here with 99 and further up with 100" in said
    assert volumes(session) == {}
    assert events(session) == []


def test_import_drivers_says_only_so_many_faults(session, actor):
    data = b"day,volume\n" + b"x,1\n" * 50
    with pytest.raises(Invalid, match="And 30 more"):
        import_drivers(session, data=data, driver="orders", by=actor)


def test_import_drivers_refuses_what_is_too_large_for_a_file_of_days(session, actor):
    line = b"2026-03-01,1\n"
    data = b"day,volume\n" + line * (MOST_DRIVER_BYTES // len(line) + 1)
    with pytest.raises(Invalid, match="larger than 10 MB") as refused:
        import_drivers(session, data=data, driver="orders", by=actor)

    assert set(refused.value.fields) == {"file"}
    assert volumes(session) == {}


def test_import_drivers_of_more_than_a_portion(session, actor):
    days = [date.fromordinal(DAY.toordinal() + i) for i in range(700)]
    data = "\n".join(["day,volume", *(f"{day},{i}" for i, day in enumerate(days))]).encode()
    assert import_drivers(session, data=data, driver="orders", by=actor).added == 700
    assert session.scalar(sa.select(sa.func.sum(DriverDay.volume))) == sum(range(700))
