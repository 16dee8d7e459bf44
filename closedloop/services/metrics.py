"""Set what metrics are held against: goals, prices of a minute, lists, driver volumes.

Rows are only added, each valid from a day, so that what a figure was held against can be read
back. Driver volumes alone are replaced when a day is imported again with another volume.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.driver_csv import BadLine, DriverLine, read_driver_lines
from closedloop.adapters.types import UnreadableFile
from closedloop.domain.audit import Actor
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.errors import Invalid
from closedloop.domain.metric_table import get_metric
from closedloop.domain.metrics import Better, ListKind, Metric, is_goal
from closedloop.models import ChannelCost, DriverDay, MetricGoal, MetricList
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.repeats import insert_into

MOST_NOTE, MOST_NAME, MOST_ENTRIES = 300, 120, 200
MOST_PENCE = 100_000
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
SHOWN_ERRORS = 20
MOST_DRIVER_BYTES = 10 * 1024 * 1024
"""Of a file of driver volumes; a caller need not read more than one byte beyond."""

_ROWS = 300


def set_goal(
    session: Session,
    *,
    metric: str,
    window: str,
    valid_from: date,
    goal: float,
    note: str = "",
    by: Actor,
) -> MetricGoal:
    """Set a goal for a metric from a day on; an earlier goal holds until the day before.

    Parameters
    ----------
    metric, window : str
        Keys; the window is empty for a metric without one.
    goal : float
        In the unit of the metric: a share from 0 to 1, seconds, minor units.

    Raises
    ------
    Invalid, NotFound
    """
    found = _goal_for(metric, window, valid_from)
    note = " ".join(note.split())
    if found.better is Better.NEITHER:
        raise _wrong("metric", f"{found.name} has no good side, so it takes no goal.")
    if not is_goal(found.unit, goal):
        low, high = found.unit.ends
        raise _wrong("goal", f"A goal here lies between {low:g} and {high:g} ({found.unit.words}).")
    if len(note) > MOST_NOTE:
        raise _wrong("note", f"Keep the note to {MOST_NOTE} characters.")
    return _add_goal(session, found, window, valid_from, goal, note, by)


def end_goal(
    session: Session, *, metric: str, window: str, valid_from: date, by: Actor
) -> MetricGoal:
    """End the goal of a metric from a day on; what was held against it before stays.

    Raises
    ------
    Invalid, NotFound
    """
    found = _goal_for(metric, window, valid_from)
    newest = _goal_on(session, metric, window, valid_from)
    if newest is None or newest.goal is None:
        raise _wrong("metric", f"{found.name} has no goal on {valid_from}, so none can end.")
    return _add_goal(session, found, window, valid_from, None, "", by)


def _goal_for(key: str, window: str, valid_from: date) -> Metric:
    metric = get_metric(key)
    known = [w.key for w in WINDOWS] if metric.needs_window else [""]
    known = [metric.fixed_window] if metric.fixed_window else known
    if window not in known:
        words = f"Choose one of {', '.join(known)}." if metric.needs_window else "It has none."
        raise _wrong("window", f"{metric.name} has no such window. {words}")
    _check_day(valid_from)
    return metric


def _goal_on(session: Session, metric: str, window: str, day: date) -> MetricGoal | None:
    return session.scalar(
        sa.select(MetricGoal)
        .where(
            MetricGoal.metric == metric, MetricGoal.window == window, MetricGoal.valid_from <= day
        )
        .order_by(MetricGoal.valid_from.desc(), MetricGoal.id.desc())
        .limit(1)
    )


def _add_goal(
    session: Session,
    metric: Metric,
    window: str,
    valid_from: date,
    goal: float | None,
    note: str,
    by: Actor,
) -> MetricGoal:
    newest = _goal_on(session, metric.key, window, valid_from)
    if newest and (newest.valid_from, newest.goal, newest.note) == (valid_from, goal, note):
        return newest  # sent twice
    row = MetricGoal(
        metric=metric.key,
        window=window,
        valid_from=valid_from,
        goal=goal,
        note=note,
        set_by=by.name,
    )
    session.add(row)
    session.flush()
    of = f"{metric.name}{f' ({window})' if window else ''}"
    words = f"set the goal of {of} to {goal:g}" if goal is not None else f"ended the goal of {of}"
    record_event(
        session,
        by=by,
        verb="metrics.goal_set" if goal is not None else "metrics.goal_ended",
        target_kind="metric",
        target_id=None,
        summary=f"{words} from {valid_from} on",
        detail={
            **{"metric": metric.key, "window": window, "goal": goal},
            **{"valid_from": valid_from.isoformat(), "note": note},
        },
    )
    return row


def set_channel_cost(
    session: Session, *, channel: str, valid_from: date, pence_per_minute: float, by: Actor
) -> ChannelCost:
    """Set what a minute of a channel costs from a day on.

    Parameters
    ----------
    channel : str
        Empty is every other channel.
    pence_per_minute : float
        Minor units of the site's currency.

    Raises
    ------
    Invalid
    """
    channel = channel.strip().lower()
    _check_day(valid_from)
    if len(channel) > 60:
        raise _wrong("channel", "A channel has at most 60 characters.")
    if not (math.isfinite(pence_per_minute) and 0 <= pence_per_minute <= MOST_PENCE):
        raise _wrong("pence_per_minute", "A minute costs between 0 and 1,000 of the currency.")
    row = ChannelCost(
        channel=channel,
        valid_from=valid_from,
        pence_per_minute=pence_per_minute,
        set_by=by.name,
    )
    session.add(row)
    session.flush()
    record_event(
        session,
        by=by,
        verb="metrics.cost_set",
        target_kind="metric",
        target_id=None,
        summary=f"set the cost of a minute of {channel or 'every other channel'} to "
        f"{pence_per_minute / 100:g} from {valid_from} on",
        detail={
            **{"channel": channel, "pence_per_minute": pence_per_minute},
            "valid_from": valid_from.isoformat(),
        },
    )
    return row


def set_metric_list(
    session: Session,
    *,
    kind: ListKind,
    valid_from: date,
    entries: Sequence[str],
    today: date,
    by: Actor,
) -> MetricList:
    """Fix a list from a day on.

    Only the very first list of its kind may reach into the past: a list that can be changed for
    days already counted is a dial, not a rule.

    Parameters
    ----------
    entries : sequence of str
        Wrap-up codes or queues as contacts name them; none is a list that leaves nothing out.
    today : date
        Reporting day that is running.

    Raises
    ------
    Invalid
    """
    cleaned = list(dict.fromkeys(entry.strip() for entry in entries if entry.strip()))
    _check_day(valid_from)
    if len(cleaned) > MOST_ENTRIES or any(len(entry) > MOST_NAME for entry in cleaned):
        raise _wrong(
            "entries", f"At most {MOST_ENTRIES} entries of at most {MOST_NAME} characters each."
        )
    newest = session.scalar(
        sa.select(MetricList)
        .where(MetricList.kind == kind.value)
        .order_by(MetricList.valid_from.desc(), MetricList.id.desc())
        .limit(1)
    )
    if newest and (newest.valid_from, newest.entries) == (valid_from, cleaned):
        return newest  # sent twice
    if newest and valid_from < today:
        raise _wrong(
            "valid_from",
            f"This list can change from today ({today}) on, not before: figures of days that "
            "are over would turn with it. Only the first list reaches into the past.",
        )
    row = MetricList(kind=kind.value, valid_from=valid_from, entries=cleaned, set_by=by.name)
    session.add(row)
    session.flush()
    record_event(
        session,
        by=by,
        verb="metrics.list_set",
        target_kind="metric",
        target_id=None,
        summary=f"fixed the list “{kind.label}” ({len(cleaned)}) from {valid_from} on",
        detail={
            **{"kind": kind.value, "entries": cleaned},
            "valid_from": valid_from.isoformat(),
        },
    )
    return row


@dataclass(frozen=True)
class DriverReport:
    """What an import of driver volumes did, in days.

    Attributes
    ----------
    drivers : tuple of str
    added, changed, unchanged : int
        Days that were new, had another volume, had the same.
    """

    drivers: tuple[str, ...]
    added: int
    changed: int
    unchanged: int


def import_drivers(
    session: Session, *, data: bytes, driver: str = "", file_name: str = "", by: Actor
) -> DriverReport:
    """Take in daily volumes of what drives contacts; the same file again changes nothing.

    All or nothing: with one line that makes no sense, nothing is taken in.

    Parameters
    ----------
    data : bytes
        CSV with day, volume and, where it holds several, driver; at most `MOST_DRIVER_BYTES`.
    driver : str
        What the volumes are of, where the file does not say.

    Raises
    ------
    Invalid
        With a sentence for each of the first lines that make no sense.
    """
    if len(data) > MOST_DRIVER_BYTES:
        raise _wrong("file", "The file is larger than 10 MB. Send it in parts, a year each.")
    try:
        lines = list(read_driver_lines(data, driver=driver))
    except UnreadableFile as refusal:
        raise _wrong("file", refusal.sentence) from None
    volumes = _volumes(lines)
    report = _store(session, volumes)
    if report.added or report.changed:
        record_event(
            session,
            by=by,
            verb="metrics.drivers_imported",
            target_kind="metric",
            target_id=None,
            summary=f"imported driver volumes of {', '.join(report.drivers)[:200]}: "
            f"{report.added} days new, {report.changed} changed",
            detail={
                **{"drivers": list(report.drivers), "file_name": file_name[:255]},
                **{"added": report.added, "changed": report.changed},
            },
        )
    return report


def _volumes(lines: Iterable[DriverLine | BadLine]) -> dict[tuple[str, date], float]:
    """Return the volume of each driver and day, or refuse with what is wrong where."""
    volumes: dict[tuple[str, date], float] = {}
    wrong: list[str] = []
    for line in lines:
        if isinstance(line, BadLine):
            wrong.append(f"Line {line.line}: {line.sentence}.")
            continue
        known = volumes.setdefault((line.driver, line.day), line.volume)
        if known != line.volume:
            wrong.append(
                f"Line {line.line}: {line.driver} on {line.day} stands here with {line.volume:g} "
                f"and further up with {known:g}."
            )
    if wrong:
        more = len(wrong) - SHOWN_ERRORS
        said = " ".join(wrong[:SHOWN_ERRORS]) + (f" And {more} more." if more > 0 else "")
        raise _wrong("file", f"Nothing was taken in. {said}")
    if not volumes:
        raise _wrong("file", "The file names its columns but holds no line below them.")
    return volumes


def _store(session: Session, volumes: dict[tuple[str, date], float]) -> DriverReport:
    drivers = tuple(sorted({name for name, _ in volumes}))
    rows = session.execute(
        sa.select(DriverDay.driver, DriverDay.day, DriverDay.volume).where(
            DriverDay.driver.in_(drivers),
            DriverDay.day.between(min(d for _, d in volumes), max(d for _, d in volumes)),
        )
    )
    known = {(row.driver, row.day): row.volume for row in rows}
    new = [key for key in volumes if key not in known]
    changed = [key for key in volumes if key in known and known[key] != volumes[key]]
    insert = insert_into(session, DriverDay.__table__)
    statement = insert.on_conflict_do_update(
        index_elements=["driver", "day"], set_={"volume": insert.excluded.volume}
    )
    for portion in in_portions([*new, *changed], _ROWS):
        session.execute(
            statement,
            [{"driver": name, "day": day, "volume": volumes[name, day]} for name, day in portion],
        )
    return DriverReport(drivers, len(new), len(changed), len(volumes) - len(new) - len(changed))


def _check_day(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _wrong("valid_from", f"Choose a day between {FIRST_DAY} and {LAST_DAY}.")


def _wrong(field: str, sentence: str) -> Invalid:
    return Invalid(sentence, {field: sentence})
