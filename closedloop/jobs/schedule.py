"""The schedule: one table. Every process may keep it; only the leader's ticks count.

APScheduler says when; a lease row says who; the unique slot says once. A slot that was missed
while nobody led is caught up within `GRACE_SECONDS`.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from closedloop.config import Settings
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import LEASE_SECONDS, JobKind
from closedloop.extensions import Database
from closedloop.jobs.runner import worker_name
from closedloop.services.jobs import queue_job, take_lead

logger = logging.getLogger(__name__)
GRACE_SECONDS = 6 * 3600


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
    zone = ZoneInfo(settings.reporting_zone)
    trigger = CronTrigger(hour=spec.hour, minute=spec.minute, timezone=zone)
    due: datetime | None = trigger.get_next_fire_time(None, utc_now().astimezone(zone))
    return due


class Clock:
    """Keeps the schedule in this process and queues what is due while it leads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.settings = database, settings
        self.holder = worker_name()
        self.scheduler = BackgroundScheduler(timezone=ZoneInfo(settings.reporting_zone))

    def fire(self, spec: JobSpec) -> bool:
        """Queue one line's job for this slot if we lead; return whether we did."""
        moment = utc_now().astimezone(ZoneInfo(self.settings.reporting_zone))
        slot = f"{spec.id} @ {moment:%Y-%m-%d} {int(spec.hour):02}:{int(spec.minute):02}"
        with self.database.transaction() as session:
            if not take_lead(session, holder=self.holder):
                return False
            queue_job(session, kind=spec.kind, by=NIGHTLY_ROUND, slot=slot)
        logger.info("queued %s", slot)
        return True

    def keep_lead(self) -> None:
        """Renew the lease, or take it when its holder is gone."""
        try:
            with self.database.transaction() as session:
                take_lead(session, holder=self.holder)
        except Exception:
            logger.warning("the scheduler could not reach the database", exc_info=True)

    def start(self) -> None:
        """Start ticking in a thread of this process."""
        self.keep_lead()
        self.scheduler.add_job(
            self.keep_lead, "interval", seconds=LEASE_SECONDS / 3, max_instances=1, coalesce=True
        )
        for spec in schedule(self.settings):
            self.scheduler.add_job(
                self.fire,
                CronTrigger(
                    hour=spec.hour,
                    minute=spec.minute,
                    timezone=ZoneInfo(self.settings.reporting_zone),
                ),
                args=[spec],
                id=spec.id,
                coalesce=True,
                max_instances=1,
                misfire_grace_time=GRACE_SECONDS,
            )
        self.scheduler.start()

    def run_until(self, stop: threading.Event) -> None:
        """Tick until `stop` is set."""
        self.start()
        stop.wait()
        self.scheduler.shutdown(wait=False)
