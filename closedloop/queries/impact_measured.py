"""Stored measurements as pages and programs read them: without their daily paths."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.impact import Displacement, Range, Verdict
from closedloop.domain.impact_doubts import NOT_TOLD, Doubt, find_doubt
from closedloop.domain.impact_questions import caution, failed_checks
from closedloop.domain.impact_words import on_themes
from closedloop.models import ImpactMeasurement, SignOff


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One stored estimate, without its daily paths; see `ImpactMeasurement` for the columns.

    Attributes
    ----------
    avoided : Range
        Contacts of the theme alone, 95 %.
    net : Range or None
        Contacts over the theme and those beside it; None without any.
    could_have_seen : float or None
        Share of expected, 0 to 1.
    sign_offs : int
        People other than the owner who stand by it.
    q_value : float or None
        Of a look, adjusted for the looks judged with it.
    counted_from : date or None
        First counted day as it was measured; None of rows that did not write it down.
    joint : frozenset of int
        Interventions that were measured as one change, its own among them; empty when alone.
    remeasured_after : int or None
        30, 60, 90 or 180 on the day that lies so many days after the theme held.
    doubt : Doubt
        Why it is inconclusive; says nothing of other verdicts.
    failed_checks : tuple of str
        Names of the checks that question what it says, the gravest first; none of a fall
        that moved, which is not claimed.
    n_themes : int
        Themes that the change touches, added up.
    """

    id: int
    intervention_id: int
    as_of: date
    look: int
    is_look: bool
    verdict: Verdict
    observed: int
    expected: float
    avoided: Range
    p_value: float
    n_pre: int
    n_post: int
    handle_seconds: float
    pence_per_minute: float
    method_version: str
    definition_number: int
    measured_at: datetime
    reasons: tuple[str, ...]
    displacement: Displacement
    net: Range | None
    could_have_seen: float | None
    sign_offs: int
    q_value: float | None = None
    counted_from: date | None = None
    joint: frozenset[int] = frozenset()
    remeasured_after: int | None = None
    doubt: Doubt = NOT_TOLD
    failed_checks: tuple[str, ...] = ()
    n_themes: int = 1

    @property
    def where(self) -> str:
        """What the number is of, as said of a fall that only moved: "on this theme"."""
        return on_themes(self.n_themes)

    @property
    def credited(self) -> Range:
        """Contacts that count in a total: the net ones where a fall only moved."""
        if self.displacement is Displacement.MOVED and self.net is not None:
            return self.net
        return self.avoided

    @property
    def caution(self) -> str:
        """A sentence on what questions its claim; empty when nothing does."""
        return caution(self.failed_checks)

    @property
    def has_moved(self) -> bool:
        """Whether the contacts turned up in themes beside it."""
        return self.displacement is Displacement.MOVED


_COLUMNS: tuple[sa.orm.InstrumentedAttribute[Any], ...] = (
    ImpactMeasurement.id,
    ImpactMeasurement.intervention_id,
    ImpactMeasurement.as_of,
    ImpactMeasurement.look,
    ImpactMeasurement.is_look,
    ImpactMeasurement.verdict,
    ImpactMeasurement.observed,
    ImpactMeasurement.expected,
    ImpactMeasurement.p_value,
    ImpactMeasurement.q_value,
    ImpactMeasurement.n_pre,
    ImpactMeasurement.n_post,
    ImpactMeasurement.handle_seconds,
    ImpactMeasurement.pence_per_minute,
    ImpactMeasurement.method_version,
    ImpactMeasurement.definition_number,
    ImpactMeasurement.measured_at,
)


def select_measured() -> sa.Select[*tuple[Any, ...]]:
    """Return the statement behind `Measured`: the paths stay in the database."""
    detail = ImpactMeasurement.detail
    return sa.select(
        *_COLUMNS,
        ImpactMeasurement.reasons,
        ImpactMeasurement.avoided_low,
        ImpactMeasurement.avoided,
        ImpactMeasurement.avoided_high,
        detail["displacement"].as_string().label("displacement"),
        detail[("window", "counted_from")].as_string().label("counted_from"),
        detail["joint"].label("joint"),
        detail["parts"].label("parts"),
        detail["checks"].label("checks"),
        detail["remeasured_after"].as_integer().label("remeasured_after"),
        detail["could_have_seen"].as_float().label("could_have_seen"),
        detail["alpha"].as_float().label("alpha"),
        detail["share_of_controls_moved"].as_float().label("share_moved"),
        detail["controls_tried"].as_integer().label("tried"),
        detail[("own_history", "verdict")].as_string().label("alone"),
        detail[("net", "low")].as_float().label("net_low"),
        detail[("net", "avoided")].as_float().label("net_middle"),
        detail[("net", "high")].as_float().label("net_high"),
        sa.select(sa.func.count(SignOff.id))
        .where(SignOff.measurement_id == ImpactMeasurement.id)
        .correlate(ImpactMeasurement)
        .scalar_subquery()
        .label("sign_offs"),
    )


def list_measured(session: Session, ids: Collection[int]) -> dict[int, Measured]:
    """Return measurements by id."""
    if not ids:
        return {}
    rows = session.execute(select_measured().where(ImpactMeasurement.id.in_(sorted(ids))))
    return {row.id: measured_of(row) for row in rows}


def measured_of(row: Any) -> Measured:
    """Return one row of `select_measured` as a dataclass."""
    has_net = row.net_low is not None and row.net_high is not None
    avoided = Range(row.avoided_low, row.avoided, row.avoided_high)
    return Measured(
        **{column.key: getattr(row, column.key) for column in _COLUMNS},
        reasons=tuple(row.reasons),
        avoided=avoided,
        displacement=Displacement(row.displacement or Displacement.NONE),
        net=Range(row.net_low, row.net_middle, row.net_high) if has_net else None,
        could_have_seen=row.could_have_seen,
        sign_offs=row.sign_offs,
        remeasured_after=row.remeasured_after,
        counted_from=date.fromisoformat(row.counted_from) if row.counted_from else None,
        joint=frozenset(one["id"] for one in row.joint or ()),
        n_themes=len(row.parts or ()) or 1,
        doubt=_doubt_of(row, avoided) if row.verdict is Verdict.INCONCLUSIVE else NOT_TOLD,
        failed_checks=()
        if row.displacement == Displacement.MOVED
        else failed_checks(row.verdict, row.checks or ()),
    )


def _doubt_of(row: Any, avoided: Range) -> Doubt:
    return find_doubt(
        avoided=avoided,
        p_value=row.p_value,
        q_value=row.q_value,
        alpha=row.alpha,
        share_moved=row.share_moved,
        tried=row.tried,
        alone=row.alone,
        displacement=Displacement(row.displacement or Displacement.NONE),
    )


def list_measurements(
    session: Session,
    intervention_id: int,
    *,
    is_look: bool | None = None,
    after: tuple[date, int] | None = None,
    limit: int | None = None,
) -> list[Measured]:
    """Return the measurements of an intervention, those with the newest data first.

    Parameters
    ----------
    is_look : bool, optional
        Only those of looks, or only running estimates.
    after : (date, int), optional
        Last data day and id of the last row seen.
    limit : int, optional
    """
    m = ImpactMeasurement
    statement = (
        select_measured()
        .where(m.intervention_id == intervention_id)
        .order_by(m.as_of.desc(), m.id.desc())
        .limit(limit)
    )
    if is_look is not None:
        statement = statement.where(m.is_look == is_look)
    if after is not None:
        day, last_id = after
        older = sa.and_(m.as_of == day, m.id < last_id)
        statement = statement.where(sa.or_(m.as_of < day, older))
    return [measured_of(row) for row in session.execute(statement)]
