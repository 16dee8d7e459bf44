"""Live through Northbank's year with the services that real data use.

Everything is done as the bank would have done it, on the day it would have done it: contacts come
in month by month, the working group decides, owners ship, the nightly round measures. What the
fixes truly did is looked at only at the end, to mark the measurements.
"""

from __future__ import annotations

import json
import resource
import secrets
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.demo.acting import act
from closedloop.demo.calendar import LAST_DAY, TODAY, ZONE
from closedloop.demo.centre import DemoCentre, generate
from closedloop.demo.marking import mark_actions
from closedloop.demo.scenario import DEPARTMENTS, NET_EXCLUSIONS, PEOPLE
from closedloop.demo.site import Site, on
from closedloop.demo.working_group import DISCOVERED_ON, agree
from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor, ActorKind
from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.errors import Conflict
from closedloop.domain.jobs import JobKind, Progress
from closedloop.domain.metrics import ListKind
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, Contact, Customer, DailyRollup, Theme
from closedloop.queries.accounts import list_departments
from closedloop.services.accounts import add_department, add_user
from closedloop.services.audit import record_event
from closedloop.services.contacts import import_file
from closedloop.services.followers import renew_followers
from closedloop.services.impact import measure_due
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Report, Transactions
from closedloop.services.metrics import set_metric_list
from closedloop.services.theme_map import renew_theme_map
from closedloop.services.themes import assign_contacts, refresh_theme_stats

SOURCE = "northbank"
FIRST_DAY = date(2025, 5, 12)
BEGUN_ON = date(2025, 11, 3)
"""Day on which the bank set closedloop up, half a year into the contacts it brought."""

ACCOUNTS_FILE = "demo-accounts.json"
INSTANCE_SETTINGS: dict[str, str] = {
    "CLOSEDLOOP_SITE_NAME": "Northbank",
    "CLOSEDLOOP_REPORTING_ZONE": ZONE.key,
    "CLOSEDLOOP_HOLIDAY_COUNTRY": "GB-ENG",
    "CLOSEDLOOP_CURRENCY": "GBP",
    "CLOSEDLOOP_PENCE_PER_MINUTE": "62",
    "CLOSEDLOOP_DEMO_TODAY": TODAY.isoformat(),
}


def build_demo(
    transactions: Transactions, *, settings: Settings, seed: int = 7, report: Report
) -> dict[str, Any]:
    """Build the demo in an empty instance and return its summary; a second run changes nothing.

    Raises
    ------
    Conflict
        If the instance holds something else, or a demo that was not finished.
    """
    started = time.monotonic()
    centre = generate(seed)
    with transactions() as session:
        is_built = _is_built(session, seed)
    if not is_built:
        _live_through(Site(transactions, settings, report, centre))
        with transactions() as session:
            record_event(
                session,
                by=COMMAND_LINE,
                verb="demo.built",
                target_kind="site",
                target_id=None,
                summary="built the demonstration",
                detail={"seed": seed},
            )
    report(Progress(0, 0, "Marking the measurements against the truth"))
    with transactions() as session:
        summary = summarise(session, settings=settings, centre=centre)
    return {
        **summary,
        "seconds": round(time.monotonic() - started, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def queue_placebo_check(transactions: Transactions) -> None:
    """Let the worker of a served demo check dates without a change, once.

    The weekly round does it elsewhere, but here it is always the same day; and it takes longer
    than anybody wants to wait for the first page.
    """
    with transactions() as session:
        queue_job(
            session,
            kind=JobKind.MEASURE_IMPACT,
            arguments={"placebos": True},
            by=NIGHTLY_ROUND,
            slot="placebos of the demo @ once",
        )


def _is_built(session: Session, seed: int) -> bool:
    built = session.scalar(sa.select(AuditEvent).where(AuditEvent.verb == "demo.built"))
    if built is not None and built.detail.get("seed") != seed:
        raise Conflict(
            f"This instance holds the demo of seed {built.detail.get('seed')}. "
            "Choose another directory with --instance."
        )
    if built is None and session.scalar(sa.select(sa.exists().where(Contact.id > 0))):
        raise Conflict(
            "This instance holds contacts already, or a demo that was stopped half-way. "
            "Delete the directory, or choose another one with --instance."
        )
    return built is not None


def _live_through(site: Site) -> None:
    with on(BEGUN_ON):
        _add_people(site)
        _fix_exclusions(site)
    _export(site)
    imported_before = date.min
    for last, file_name in _months():
        imported_on = last + timedelta(days=1)
        with on(imported_on, hour=2):
            _take_in(site, last, file_name)
        if imported_on == DISCOVERED_ON:
            agree(site)
        act(site, after=imported_before, until=imported_on)
        imported_before = imported_on
    with on(TODAY, hour=2):
        _measure(site, LAST_DAY)
        _draw_themes(site)


def _months() -> list[tuple[date, str]]:
    """Return (last day, file name) of each import: half a year, then months."""
    ends = [date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    ends += [date(2026, 3, 31), date(2026, 4, 30), LAST_DAY]
    return [(last, f"northbank-to-{last.isoformat()}.jsonl") for last in ends]


def _add_people(site: Site) -> None:
    accounts = []
    with site.transactions() as session:
        for name in DEPARTMENTS:
            add_department(session, name=name, by=COMMAND_LINE)
        site.departments = {d.name: d.id for d in list_departments(session)}
        for person in PEOPLE:
            password = secrets.token_urlsafe(9)
            user = add_user(
                session,
                email=person.email,
                name=person.name,
                password=password,
                role=Role(person.role),
                department_id=site.departments[person.department],
                by=COMMAND_LINE,
            )
            site.people[person.name] = Actor(person.name, ActorKind.PERSON, user.id)
            accounts.append(
                {
                    "role": person.role,
                    "name": person.name,
                    "email": person.email,
                    "password": password,
                }
            )
    path = site.settings.instance / ACCOUNTS_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(accounts, indent=1, ensure_ascii=False))


def _fix_exclusions(site: Site) -> None:
    """Fix in advance which codes net figures leave out; the first list may reach into the past."""
    with site.transactions() as session:
        set_metric_list(
            session,
            kind=ListKind.NET_EXCLUSIONS,
            valid_from=FIRST_DAY,
            entries=NET_EXCLUSIONS,
            today=BEGUN_ON,
            by=site.manager,
        )


def demo_accounts(instance: Path) -> list[dict[str, str]]:
    """Return one sign-in per role, as made when the demo was built."""
    path = instance / ACCOUNTS_FILE
    accounts: list[dict[str, str]] = json.loads(path.read_text()) if path.exists() else []
    first: dict[str, dict[str, str]] = {}
    for account in accounts:
        first.setdefault(account["role"], account)
    return list(first.values())


def _export(site: Site) -> None:
    """Write the year down in files, month by month, as a centre would export it."""
    site.settings.uploads.mkdir(parents=True, exist_ok=True)
    months = iter(_months())
    last, out = date.min, None
    for row in site.centre.rows():
        if date.fromisoformat(row["started_at"][:10]) > last:
            if out:
                out.close()
            last, file_name = next(months)
            out = (site.settings.uploads / file_name).open("w", encoding="utf-8")
        assert out is not None
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if out:
        out.close()


def _take_in(site: Site, last: date, file_name: str) -> None:
    """Import one file and give its contacts their themes."""
    path = site.settings.uploads / file_name
    import_file(
        site.transactions,
        settings=site.settings,
        path=path,
        mapping=_mapping(),
        source=SOURCE,
        file_name=file_name,
        by=NIGHTLY_ROUND,
        report=site.report,
    )
    path.unlink()
    assign_contacts(site.transactions, settings=site.settings, by=NIGHTLY_ROUND, report=site.report)
    with site.transactions() as session:
        refresh_theme_stats(session, settings=site.settings, as_of=last)


def _draw_themes(site: Site) -> None:
    """Count what comes next after each theme and draw their map, as the night does."""
    with site.transactions() as session:
        renew_followers(session, settings=site.settings)
    renew_theme_map(site.transactions, settings=site.settings, report=site.report)


def _mapping() -> Mapping:
    names = (
        *("contact_id", "started_at", "customer_id", "channel", "queue", "agent"),
        *("disposition", "turns", "handle_seconds", "csat", "team", "language", "wait_seconds"),
        *("transfers", "resolved", "survey_resolved", "nps", "ces"),
    )
    return Mapping(columns={name: name for name in names}, source=SOURCE, date_order="iso")


def _measure(site: Site, as_of: date) -> None:
    measure_due(
        site.transactions,
        settings=site.settings,
        as_of=as_of,
        by=NIGHTLY_ROUND,
        report=site.report,
    )


def summarise(session: Session, *, settings: Settings, centre: DemoCentre) -> dict[str, Any]:
    """Return what the demo holds and how its measurements compare with the truth."""
    mature = last_mature_day(LAST_DAY, HEADLINE_WINDOW, settings.reporting_zone)
    contacts, identified, followed = session.execute(
        sa.select(
            sa.func.sum(DailyRollup.contacts),
            sa.func.sum(DailyRollup.identified),
            sa.func.sum(DailyRollup.any_7d),
        ).where(DailyRollup.day <= mature)
    ).one()
    themes = session.scalar(
        sa.select(sa.func.count())
        .select_from(Theme)
        .where(Theme.status.not_in((ThemeStatus.MERGED, ThemeStatus.RETIRED)))
    )
    return {
        "contacts": session.scalar(sa.select(sa.func.count()).select_from(Contact)),
        "customers": session.scalar(sa.select(sa.func.count()).select_from(Customer)),
        "repeat_rate_7d": round(followed / identified, 4),
        "unidentified_share": round((contacts - identified) / contacts, 4),
        "themes": themes,
        "actions": mark_actions(session, settings=settings, centre=centre),
    }
