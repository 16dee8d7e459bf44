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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.demo.calendar import LAST_DAY, TODAY, ZONE
from closedloop.demo.centre import DemoCentre, generate
from closedloop.demo.marking import mark_actions
from closedloop.demo.scenario import (
    COMEBACK_STORY,
    DEPARTMENTS,
    FIXES,
    NET_EXCLUSIONS,
    OPEN_ACTIONS,
    PEOPLE,
    Fix,
)
from closedloop.demo.stories import TRIAGE_STORIES, TriageStory
from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import COMMAND_LINE, NIGHTLY_ROUND, Actor, ActorKind
from closedloop.domain.clock import as_if, today
from closedloop.domain.contacts import HEADLINE_WINDOW, last_mature_day
from closedloop.domain.errors import Conflict
from closedloop.domain.impact import looks
from closedloop.domain.jobs import JobKind, Progress
from closedloop.domain.metrics import ListKind
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import (
    Action,
    AuditEvent,
    Contact,
    Customer,
    DailyRollup,
    Intervention,
    Theme,
)
from closedloop.queries.accounts import list_departments
from closedloop.services.accounts import add_department, add_user
from closedloop.services.actions import (
    agree_action,
    hand_back_action,
    propose_action,
    ship_action,
    start_action,
)
from closedloop.services.audit import record_event
from closedloop.services.contacts import import_file
from closedloop.services.followers import renew_followers
from closedloop.services.impact import measure_due, measure_intervention, watch_comebacks
from closedloop.services.jobs import queue_job
from closedloop.services.long_work import Report, Transactions
from closedloop.services.metrics import set_metric_list
from closedloop.services.theme_map import renew_theme_map
from closedloop.services.themes import (
    assign_contacts,
    describe_cause,
    discover_themes,
    refresh_theme_stats,
)
from closedloop.services.triage import (
    accept_candidate,
    dismiss_candidate,
    merge_themes,
    park_theme,
    return_parked,
)

SOURCE = "northbank"
FIRST_DAY = date(2025, 5, 12)
BEGUN_ON = date(2025, 11, 3)
"""Day on which the bank set closedloop up, half a year into the contacts it brought."""

DISCOVERED_ON = date(2025, 12, 1)
BACK_ON = date(2026, 5, 4)
"""Day on which what the working group put off comes back to it."""

ACCOUNTS_FILE = "demo-accounts.json"
INSTANCE_SETTINGS: dict[str, str] = {
    "CLOSEDLOOP_SITE_NAME": "Northbank",
    "CLOSEDLOOP_REPORTING_ZONE": ZONE.key,
    "CLOSEDLOOP_HOLIDAY_COUNTRY": "GB-ENG",
    "CLOSEDLOOP_CURRENCY": "GBP",
    "CLOSEDLOOP_PENCE_PER_MINUTE": "62",
    "CLOSEDLOOP_DEMO_TODAY": TODAY.isoformat(),
}

_STATUS = {
    "in_progress": ActionStatus.IN_PROGRESS,
    "agreed": ActionStatus.AGREED,
    "proposed": ActionStatus.PROPOSED,
    "handed_back": ActionStatus.HANDED_BACK,
}


@dataclass
class _Site:
    """What every step needs."""

    transactions: Transactions
    settings: Settings
    report: Report
    centre: DemoCentre
    people: dict[str, Actor] = field(default_factory=dict)
    departments: dict[str, int] = field(default_factory=dict)
    themes: dict[str, int] = field(default_factory=dict)

    @property
    def manager(self) -> Actor:
        """Who runs the working group."""
        return self.people["Priya Nair"]


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
        _live_through(_Site(transactions, settings, report, centre))
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


def _live_through(site: _Site) -> None:
    with _on(BEGUN_ON):
        _add_people(site)
        _fix_exclusions(site)
    _export(site)
    for _, last, file_name in _months():
        with _on(last + timedelta(days=1), hour=2):
            _take_in(site, last, file_name)
        if last + timedelta(days=1) == DISCOVERED_ON:
            _agree(site)
        _act(site, last + timedelta(days=1))
    with _on(TODAY, hour=2):
        _measure(site, LAST_DAY)
        _draw_themes(site)


@contextmanager
def _on(day: date, hour: int = 10) -> Iterator[None]:
    local = datetime(day.year, day.month, day.day, hour, 20, tzinfo=ZONE)
    with as_if(local.astimezone(UTC)):
        yield


def _months() -> list[tuple[date, date, str]]:
    """Return (first day, last day, file name) of each import: half a year, then months."""
    ends = [date(2025, 11, 30), date(2025, 12, 31), date(2026, 1, 31), date(2026, 2, 28)]
    ends += [date(2026, 3, 31), date(2026, 4, 30), LAST_DAY]
    first = FIRST_DAY
    months = []
    for last in ends:
        months.append((first, last, f"northbank-to-{last.isoformat()}.jsonl"))
        first = last + timedelta(days=1)
    return months


def _add_people(site: _Site) -> None:
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


def _fix_exclusions(site: _Site) -> None:
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


def _export(site: _Site) -> None:
    """Write the year down in files, month by month, as a centre would export it."""
    site.settings.uploads.mkdir(parents=True, exist_ok=True)
    months = iter(_months())
    last, out = date.min, None
    for row in site.centre.rows():
        if date.fromisoformat(row["started_at"][:10]) > last:
            if out:
                out.close()
            _, last, file_name = next(months)
            out = (site.settings.uploads / file_name).open("w", encoding="utf-8")
        assert out is not None
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
    if out:
        out.close()


def _take_in(site: _Site, last: date, file_name: str) -> None:
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


def _draw_themes(site: _Site) -> None:
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


def _agree(site: _Site) -> None:
    """Find themes, bring together what is one matter, and let the working group decide."""
    with _on(DISCOVERED_ON, hour=3):
        discover_themes(
            site.transactions, settings=site.settings, by=NIGHTLY_ROUND, seed=0, report=site.report
        )
    stories = {story.intent: story for story in TRIAGE_STORIES}
    with _on(date(2025, 12, 1), hour=14), site.transactions() as session:
        for intent, theme_ids in _themes_by_intent(session, site.centre).items():
            site.themes[intent] = theme_ids[0]
            for other in theme_ids[1:]:
                merge_themes(
                    session,
                    settings=site.settings,
                    theme_id=other,
                    into_id=theme_ids[0],
                    reason="The same failure in other words.",
                    by=site.manager,
                )
    day = date(2025, 12, 2)
    for intent, theme_id in site.themes.items():
        with _on(day, hour=11), site.transactions() as session:
            _decide(session, site, theme_id, stories.get(intent))
    for fix in FIXES:
        _join_siblings(site, fix)


def _themes_by_intent(session: Session, centre: DemoCentre) -> dict[str, list[int]]:
    """Return the candidates of each dominant intent, largest first, in the order of their size."""
    rows = session.execute(
        sa.select(Theme.id, Contact.source_contact_id)
        .join(Contact, Contact.theme_id == Theme.id)
        .where(Theme.status == ThemeStatus.CANDIDATE)
    )
    counts: dict[int, Counter[str]] = {}
    for theme_id, contact_id in rows:
        counts.setdefault(theme_id, Counter())[centre.intent_of(contact_id)] += 1
    by_intent: dict[str, list[int]] = {}
    for theme_id in sorted(counts, key=lambda t: (-counts[t].total(), t)):
        intent = min(counts[theme_id], key=lambda name: (-counts[theme_id][name], name))
        by_intent.setdefault(intent, []).append(theme_id)
    return by_intent


def _decide(session: Session, site: _Site, theme_id: int, story: TriageStory | None) -> None:
    if story and story.decision == "accept":
        accept_candidate(
            session,
            theme_id=theme_id,
            name=story.name,
            scenario=story.failure_scenario,
            demand_type=DemandType(story.demand),
            customer_values=story.customer_values,
            company_values=story.company_values,
            department_id=site.departments[story.department],
            strategy=Strategy.ELIMINATE,
            owner_id=_speaker(site, story.department),
            by=site.manager,
        )
    elif story and story.decision == "dismiss":
        dismiss_candidate(session, theme_id=theme_id, reason=story.note, by=site.manager)
    else:  # parked for good reasons, or put off until the first actions have shipped
        is_parked = story is not None and story.decision == "park"
        park_theme(
            session,
            theme_id=theme_id,
            until=date(2026, 9, 1) if is_parked else BACK_ON,
            reason=(story and story.note) or "Put off until the first actions have shipped.",
            today=today(ZONE.key),
            by=site.manager,
        )


def _speaker(site: _Site, department: str) -> int | None:
    """Return who speaks for a department."""
    names = [p.name for p in PEOPLE if p.department == department and p.role == "stakeholder"]
    return site.people[names[0]].user_id if names else None


def _join_siblings(site: _Site, fix: Fix) -> None:
    """Merge what one fix is meant for, where discovery found it as several themes."""
    first, *rest = [site.themes[intent] for intent in fix.intents if intent in site.themes]
    for other in rest:
        with _on(date(2025, 12, 3), hour=15), site.transactions() as session:
            merge_themes(
                session,
                settings=site.settings,
                theme_id=other,
                into_id=first,
                reason="One cause, one fix: nobody says when the card comes.",
                by=site.manager,
            )


def _act(site: _Site, today: date) -> None:
    """Do what happened since the last import: agree, start, ship, measure."""
    for moment, step in sorted(_steps(site), key=lambda pair: pair[0]):
        if _previous_import(today) < moment <= today:
            with _on(moment):
                step()


def _previous_import(today: date) -> date:
    days = [last + timedelta(days=1) for _, last, _ in _months()]
    earlier = [day for day in days if day < today]
    return earlier[-1] if earlier else date(2025, 1, 1)


def _steps(site: _Site) -> list[tuple[date, Callable[[], None]]]:
    steps: list[tuple[date, Callable[[], None]]] = []
    for fix in FIXES:
        steps.append((fix.agreed_on, partial(_agree_fix, site, fix)))
        steps.append((fix.shipped_on, partial(_ship, site, fix)))
        for look in looks(fix.shipped_on, fix.roll_out_days):
            if look < LAST_DAY:
                steps.append((look + timedelta(days=1), partial(_look, site, fix, look)))
    for number in range(21):  # the watch is read each night once the first verdicts hold
        night = LAST_DAY - timedelta(days=20 - number)
        steps.append((night + timedelta(days=1), partial(_watch, site, night)))
    for action in OPEN_ACTIONS:
        moment = action.agreed_on or date(2026, 5, 6)
        steps.append((moment, partial(_open_action, site, action)))
    steps.append((BACK_ON, partial(_bring_back, site)))
    return steps


def _agree_fix(site: _Site, fix: Fix) -> None:
    owner = site.people[fix.owner]
    with site.transactions() as session:
        theme_id = site.themes[fix.intents[0]]
        describe_cause(session, theme_id=theme_id, cause=fix.cause, by=site.manager)
        action = propose_action(
            session,
            theme_id=theme_id,
            title=fix.title,
            description=fix.description,
            strategy=Strategy(fix.strategy),
            department_id=site.departments[fix.department],
            owner_id=owner.user_id,
            due_on=fix.due_on,
            expected_drop=fix.expected_drop,
            smallest_drop=fix.worthwhile_drop,
            by=site.manager,
            settings=site.settings,
        )
        agree_action(session, action_id=action.id, by=owner)
        start_action(session, action_id=action.id, by=owner)


def _ship(site: _Site, fix: Fix) -> None:
    with site.transactions() as session:
        action = session.scalars(sa.select(Action).where(Action.title == fix.title)).one()
        ship_action(
            session,
            settings=site.settings,
            action_id=action.id,
            went_live_on=fix.shipped_on,
            rollout_days=fix.roll_out_days,
            by=site.people[fix.owner],
        )


def _open_action(site: _Site, told: Any) -> None:
    if told.intent not in site.themes:
        return  # discovery did not find this matter as a theme of its own
    owner, status = site.people[told.owner], _STATUS[told.status]
    with site.transactions() as session:
        action = propose_action(
            session,
            theme_id=site.themes[told.intent],
            title=told.title,
            description=told.description,
            strategy=Strategy(told.strategy),
            department_id=site.departments[told.department],
            owner_id=owner.user_id,
            due_on=told.due_on,
            expected_drop=told.expected_drop,
            smallest_drop=told.worthwhile_drop,
            by=site.manager,
            settings=site.settings,
        )
        if status is not ActionStatus.PROPOSED:
            agree_action(session, action_id=action.id, by=owner)
        if status is ActionStatus.IN_PROGRESS:
            start_action(session, action_id=action.id, by=owner)
        if status is ActionStatus.HANDED_BACK:
            hand_back_action(session, action_id=action.id, reason=told.reason, by=owner)


def _measure(site: _Site, as_of: date) -> None:
    measure_due(
        site.transactions,
        settings=site.settings,
        as_of=as_of,
        by=NIGHTLY_ROUND,
        report=site.report,
    )


def _look(site: _Site, fix: Fix, as_of: date) -> None:
    """Speak the verdict of one look, as the nightly round does for all that are due."""
    with site.transactions() as session:
        intervention_id = session.scalars(
            sa.select(Intervention.id).join(Action).where(Action.title == fix.title)
        ).one()
        measure_intervention(
            session,
            settings=site.settings,
            intervention_id=intervention_id,
            as_of=as_of,
            by=NIGHTLY_ROUND,
        )


def _watch(site: _Site, as_of: date) -> None:
    came_back = watch_comebacks(
        site.transactions,
        settings=site.settings,
        as_of=as_of,
        by=NIGHTLY_ROUND,
        report=site.report,
    )
    if came_back:
        theme_id = site.themes[FIXES[3].intents[0]]
        with site.transactions() as session:
            theme = session.get_one(Theme, theme_id)
            if theme.status is ThemeStatus.REOPENED:
                describe_cause(
                    session,
                    theme_id=theme_id,
                    cause=f"{FIXES[3].cause} {COMEBACK_STORY}",
                    by=site.people["Ruth Adeyemi"],
                )


def _bring_back(site: _Site) -> None:
    with site.transactions() as session:
        return_parked(session, today=BACK_ON, by=NIGHTLY_ROUND)


def summarise(session: Session, *, settings: Settings, centre: DemoCentre) -> dict[str, Any]:
    """Return what the demo holds and how its measurements compare with the truth."""
    mature = last_mature_day(LAST_DAY, HEADLINE_WINDOW, settings.reporting_zone)
    identified, followed = session.execute(
        sa.select(sa.func.sum(DailyRollup.identified), sa.func.sum(DailyRollup.any_7d)).where(
            DailyRollup.day <= mature
        )
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
        "themes": themes,
        "actions": mark_actions(session, settings=settings, centre=centre),
    }
