"""The schedule: one table. Every process may keep it; only the leader's ticks count.

A lease row says who; the unique slot says once. Each tick asks what was due lately and was not
queued, so a slot that passed while nobody led is caught up within `GRACE_SECONDS`.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import LEASE_SECONDS, JobKind
from closedloop.extensions import Database
from closedloop.jobs.runner import worker_name
from closedloop.jobs.troubles import Trouble
from closedloop.queries.jobs import find_open_job, has_had_leader, is_slot_taken
from closedloop.services.jobs import queue_job, take_lead

logger = logging.getLogger(__name__)
GRACE_SECONDS = 6 * 3600
TICK_SECONDS = LEASE_SECONDS / 3
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobSpec:
    """One line of the schedule.

    Attributes
    ----------
    kind : JobKind
    hour, minute : str
        Cron fields in the reporting time zone.
    why : str
        Why then, in a sentence: shown on the jobs page.
    """

    kind: JobKind
    hour: str
    minute: str
    why: str

    @property
    def id(self) -> str:
        """Name of the line, data once released."""
        return self.kind.value


def schedule(settings: Settings) -> tuple[JobSpec, ...]:
    """Return the schedule of a site, in its reporting time zone."""
    hour, minute = (str(int(part)) for part in settings.nightly_at.split(":"))
    return (
        JobSpec(
            JobKind.NIGHTLY_ROUND,
            hour,
            minute,
            "After midnight, when yesterday is complete and nobody waits for a page.",
        ),
        JobSpec(
            JobKind.HOUSEKEEPING,
            str((int(hour) + 2) % 24),
            minute,
            "After the nightly round, so that it never holds the round up.",
        ),
    )


def next_run(spec: JobSpec, settings: Settings) -> datetime | None:
    """Return when a line is due next, aware."""
    return _due_after(spec, settings, utc_now())


def last_due(spec: JobSpec, settings: Settings) -> datetime | None:
    """Return when a line was due within the last `GRACE_SECONDS`, aware; None when it was not."""
    now = utc_now()
    due = _due_after(spec, settings, now - timedelta(seconds=GRACE_SECONDS))
    return due if due is not None and due <= now else None


def _due_after(spec: JobSpec, settings: Settings, moment: datetime) -> datetime | None:
    zone = ZoneInfo(settings.reporting_zone)
    trigger = CronTrigger(hour=spec.hour, minute=spec.minute, timezone=zone)
    due: datetime | None = trigger.get_next_fire_time(None, moment.astimezone(zone))
    return due


class Clock:
    """Keeps the schedule in this process and queues what is due while it leads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self.holder = worker_name()
        self.since: datetime | None = None
        self._trouble = Trouble(logger, "the scheduler cannot reach the database")
        self.scheduler = BackgroundScheduler(timezone=ZoneInfo(settings.reporting_zone))

    def tick(self) -> list[str]:
        """Lead if nobody else does, and queue what is due; return the slots that were queued."""
        with self.database.transaction() as session:
            if self.since is None:  # a site that never had a clock has missed nothing
                self.since = _EVER if has_had_leader(session) else utc_now()
            if not take_lead(session, holder=self.holder):
                return []
            slots = [self._queue_if_due(session, spec) for spec in schedule(self.settings)]
        queued = [slot for slot in slots if slot]
        for slot in queued:
            logger.info("queued %s", slot)
        return queued

    def _queue_if_due(self, session: Session, spec: JobSpec) -> str:
        """Queue a line's job once a day, and none beside one that waits or runs still."""
        due = last_due(spec, self.settings)
        if due is None or self.since is None or due < self.since:
            return ""
        day = f"{spec.id} @ {due:%Y-%m-%d}"
        if is_slot_taken(session, day) or find_open_job(session, spec.kind) is not None:
            return ""
        slot = f"{day} {int(spec.hour):02}:{int(spec.minute):02}"
        queue_job(session, kind=spec.kind, by=NIGHTLY_ROUND, slot=slot)
        return slot

    def keep_time(self) -> None:
        """Tick; a database that is away is asked again at the next tick."""
        try:
            self.tick()
            self._trouble.over()
        except Exception as error:
            self._trouble.met(error)

    def start(self) -> None:
        """Start ticking in a thread of this process."""
        self.keep_time()
        self.scheduler.add_job(
            self.keep_time, "interval", seconds=TICK_SECONDS, max_instances=1, coalesce=True
        )
        self.scheduler.start()

    def run_until(self, stop: threading.Event) -> None:
        """Tick until `stop` is set."""
        self.start()
        stop.wait()
        self.scheduler.shutdown(wait=False)
