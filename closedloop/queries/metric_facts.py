"""Metrics as plain facts, for programs: what the command line prints and the API gives alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from closedloop.domain.contacts import Window
from closedloop.domain.errors import Invalid
from closedloop.domain.metrics import Cell, Metric
from closedloop.queries.contact_drivers import find_driver
from closedloop.queries.contacts import NO_THEME, NOT_SAID
from closedloop.queries.figures import DIMENSIONS
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import get_terms
from closedloop.queries.metric_trend import Piece
from closedloop.queries.metrics import Ground, Group, Reading, default_days
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_page import find_theme


@dataclass(frozen=True)
class CellFacts:
    """A value as it may be shown.

    Attributes
    ----------
    value : float or None
        In the unit of the metric.
    n : int or None
        Contacts or answers behind it.
    state : str
        "known"; "few" (fewer than k people stand behind it), "unsure" (of how many people was not
        counted), "cover" (hidden so that another cannot be derived), "under" or "over" (a share
        beyond `bound`); "none" (cannot be told).
    bound : float or None
    """

    value: float | None
    n: int | None
    state: str
    bound: float | None


@dataclass(frozen=True)
class CoverageFacts:
    """Which share of contacts the value knows about: "0.94 of contacts have a known customer"."""

    share: float | None
    of: str


@dataclass(frozen=True)
class MetricFacts:
    """One metric over one period; `first_day` and `last_day` are the days that were counted."""

    key: str
    name: str
    unit: str
    better: str
    window: str | None
    first_day: date | None
    last_day: date | None
    cell: CellFacts
    why: str
    coverage: list[CoverageFacts]
    before: CellFacts | None
    change: float | None
    goal: float | None
    meets_goal: bool | None
    rule: str


@dataclass(frozen=True)
class GroupFacts:
    """One value of a dimension; `value` as filters take it."""

    value: str
    label: str
    cell: CellFacts
    contacts: int | None


@dataclass(frozen=True)
class PieceFacts:
    """One day, week or month."""

    first_day: date
    last_day: date
    cell: CellFacts
    contacts: int | None
    is_maturing: bool
    is_whole: bool
    goal: float | None


def facts_of(reading: Reading) -> MetricFacts:
    """Return what may be said of a reading."""
    metric, cell = reading.metric, reading.cell
    hidden = cell.is_hidden
    return MetricFacts(
        key=metric.key,
        name=metric.name,
        unit=metric.unit.value,
        better=metric.better.value,
        window=reading.window.key if metric.needs_window else None,
        first_day=reading.first_day if reading.days else None,
        last_day=reading.last_day if reading.days else None,
        cell=_cell(cell),
        why=cell.found.why,
        coverage=[] if hidden else [CoverageFacts(c.share, c.words) for c in cell.found.coverage],
        before=_cell(reading.before) if reading.before else None,
        change=reading.difference,
        goal=reading.goal,
        meets_goal=reading.meets_goal,
        rule=metric.rule_in_words(reading.window),
    )


def group_facts(by: str, groups: Iterable[Group]) -> list[GroupFacts]:
    """Return what may be said of the parts of a metric."""
    return [
        GroupFacts(_as_asked(by, g), g.label or f"no {by}", _cell(g.cell), g.contacts)
        for g in groups
    ]


def _as_asked(by: str, group: Group) -> str:
    """Return the value of a group as `read_filter` takes it: a theme by its key."""
    if by != "theme":
        return group.value or NOT_SAID
    return group.label.split(" ", 1)[0] if group.value else NO_THEME


def piece_facts(pieces: Iterable[Piece]) -> list[PieceFacts]:
    """Return what may be said of the days, weeks or months of a metric."""
    return [
        PieceFacts(
            p.first_day,
            p.last_day,
            _cell(p.cell),
            p.contacts,
            p.is_maturing,
            p.is_whole,
            p.goal,
        )
        for p in pieces
    ]


def _cell(cell: Cell) -> CellFacts:
    return CellFacts(cell.value, cell.n, cell.state, cell.bound)


def find_ground(
    session: Session, *, last_full_day: date, k: int, default_pence: float, zone: str
) -> Ground | None:
    """Return what every figure stands on; None when there is no complete day with contacts."""
    span = get_data_span(session)
    if span.first_day is None or span.last_day is None or span.first_day > last_full_day:
        return None
    terms = get_terms(session, default_pence)
    return Ground(span.first_day, min(span.last_day, last_full_day), k, terms, zone)


def read_filter(
    session: Session,
    ground: Ground,
    *,
    window: Window,
    metric: Metric | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    values: Mapping[str, str | None],
    driver: str = "",
    contact_driver: str = "",
) -> MetricFilter:
    """Return the filter that a program asks for; without days, the last 28 mature ones.

    With a last day alone, the 28 that end with it.

    Parameters
    ----------
    values : mapping of dimension to value or None
        None does not filter; "-" asks for contacts without one, a theme comes by its key or "none".
    driver, contact_driver : str
        Driver volume that rates are held against, and key of the contact driver ("D-004").

    Raises
    ------
    Invalid, NotFound
    """
    if last_day and last_day < ground.first_data_day:
        sentence = (
            f"“to” ({last_day}) lies before the first day with data ({ground.first_data_day})."
        )
        raise Invalid(sentence, {"to": sentence})
    own = metric.window(window) if metric else window
    first, last = default_days(ground, own, last_day=last_day)
    first = first_day or first
    if first > last:
        sentence = f"“from” ({first}) lies after “to” or the last day with data ({last})."
        raise Invalid(sentence, {"from": sentence})
    drivers = ground.terms.drivers
    if driver and driver not in drivers:
        sentence = f"There is no driver {driver}. Known are: {', '.join(drivers) or 'none'}."
        raise Invalid(sentence, {"driver": sentence})
    return MetricFilter(
        first_day=max(first, ground.first_data_day),
        last_day=max(last, ground.first_data_day),
        window=window,
        values={n: _value(session, n, v) for n, v in values.items() if v and n in DIMENSIONS},
        driver=driver or (drivers[0] if drivers else ""),
        contact_driver_id=find_driver(session, contact_driver).id if contact_driver else None,
    )


def _value(session: Session, name: str, value: str) -> str:
    if name != "theme":
        return "" if value == NOT_SAID else value
    return "" if value == NO_THEME else str(find_theme(session, value).id)
