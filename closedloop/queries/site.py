"""What the whole site needs to know: settings in force, how far the data reach, the counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.domain.actions import OPEN_ACTIONS
from closedloop.domain.clock import last_full_day, local_day
from closedloop.domain.impact import FIRST_LOOKS
from closedloop.domain.money import PERSON_MINUTES
from closedloop.domain.themes import OPEN_STATUSES, ThemeStatus
from closedloop.models import (
    Action,
    Contact,
    DefinitionSet,
    ImpactMeasurement,
    Intervention,
    SiteSetting,
    Theme,
)
from closedloop.queries.go_lives import stands


@dataclass(frozen=True)
class DataSpan:
    """First and last reporting day that hold contacts, both inclusive; None when there is none."""

    first_day: date | None
    last_day: date | None

    def cut(self, zone: str) -> date | None:
        """Return the last day that the data reach and that is over in `zone`; None without any."""
        return min(self.last_day, last_full_day(zone)) if self.last_day else None

    def whole_days(self, zone: str) -> tuple[date, date] | None:
        """Return the first day and the cut, both inclusive; None before the first whole day."""
        cut = self.cut(zone)
        if self.first_day is None or cut is None or self.first_day > cut:
            return None
        return self.first_day, cut


def get_data_span(session: Session) -> DataSpan:
    """Return the reporting days the contacts reach over."""
    # one subquery each: SQLite reads an end of the index for a lone min or max, and every
    # contact for the two of them together; every page asks this
    first = sa.select(sa.func.min(Contact.local_day)).scalar_subquery()
    last = sa.select(sa.func.max(Contact.local_day)).scalar_subquery()
    row = session.execute(sa.select(first, last)).one()
    return DataSpan(row[0], row[1])


@dataclass(frozen=True)
class DaysLookedAt:
    """How many contacts were looked at, and how many lie on another day than a time zone says."""

    contacts: int
    elsewhere: int


def look_at_days(session: Session, zone: str, *, at_most: int = 2_000) -> DaysLookedAt:
    """Compare the reporting days of the oldest and the newest contacts with those of `zone`."""
    columns = (Contact.id, Contact.started_at, Contact.local_day)
    found = {}
    for order in (Contact.id.asc(), Contact.id.desc()):
        for row in session.execute(sa.select(*columns).order_by(order).limit(at_most // 2)):
            found[row.id] = local_day(row.started_at, zone) == row.local_day
    return DaysLookedAt(len(found), sum(not is_there for is_there in found.values()))


def get_pence_per_minute(session: Session, default: float) -> float:
    """Return what an agent minute costs, in minor units."""
    setting = session.get(SiteSetting, "pence_per_minute")
    return float(setting.value["value"]) if setting else default


def get_person_minutes(session: Session) -> float:
    """Return the minutes that a full-time person handles contacts in a year."""
    setting = session.get(SiteSetting, "person_minutes")
    return float(setting.value["value"]) if setting else PERSON_MINUTES


TEXTS_EXPIRED = "texts_expired_before"


def find_texts_expired_before(session: Session) -> date | None:
    """Return the day before which texts have expired by schedule, None where none have."""
    setting = session.get(SiteSetting, TEXTS_EXPIRED, populate_existing=True)
    return date.fromisoformat(setting.value["value"]) if setting else None


def get_definition_set_number(session: Session) -> int | None:
    """Return the number of the current definition set, None before the first discovery."""
    return session.scalar(sa.select(DefinitionSet.number).where(DefinitionSet.is_current))


def get_nav_counts(session: Session) -> dict[str, int]:
    """Return the small counts beside the entries of the rail, in one statement.

    Open themes, candidates, open actions, and interventions whose deciding looks are to come.
    """
    last_look = sa.exists().where(
        ImpactMeasurement.intervention_id == Intervention.id,
        ImpactMeasurement.is_look,
        ImpactMeasurement.look >= FIRST_LOOKS,
    )
    counts = {
        "themes": sa.select(sa.func.count(Theme.id)).where(Theme.status.in_(OPEN_STATUSES)),
        "triage": sa.select(sa.func.count(Theme.id)).where(Theme.status == ThemeStatus.CANDIDATE),
        "actions": sa.select(sa.func.count(Action.id)).where(Action.status.in_(OPEN_ACTIONS)),
        "impact": sa.select(sa.func.count(Intervention.id)).where(~last_look, stands()),
    }
    row = session.execute(sa.select(*(count.scalar_subquery() for count in counts.values()))).one()
    return dict(zip(counts, row, strict=True))
