"""Pages: home, the loop at a glance, and everything that changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import flask
from flask import Blueprint, Response, render_template, request, url_for
from flask_login import current_user

from closedloop.domain.accounts import Role
from closedloop.domain.clock import today, utc_now
from closedloop.domain.home import LOOK_AGAIN_SECONDS, TODO_FOR, Change, Todo
from closedloop.domain.impact import Verdict
from closedloop.domain.jobs import JobState
from closedloop.domain.money_words import RULES
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import list_departments, list_users
from closedloop.queries.contacts import has_words
from closedloop.queries.home import (
    ChangeRow,
    ReopenedTheme,
    RepeatHeadline,
    ThemeCounts,
    count_open_actions,
    count_themes,
    get_home_trend,
    headline_of,
    list_changes,
    list_due_actions,
    list_reopened,
)
from closedloop.queries.impact import ADDED_VERDICTS, ShippedAction
from closedloop.queries.impact import list_shipped as list_shipped_actions
from closedloop.queries.impact_total import portfolio_of
from closedloop.queries.jobs import last_runs
from closedloop.queries.leftovers import list_emerging
from closedloop.queries.repeats import Day, Trend
from closedloop.queries.site import DataSpan, get_pence_per_minute
from closedloop.services.accounts import note_look_at_home
from closedloop.web.asked import row_id
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import day as day_words
from closedloop.web.filters import pct, plural
from closedloop.web.permissions import requires, user_may
from closedloop.web.spans import data_span
from closedloop.web.todo import Facts, todo_items

bp = Blueprint("home", __name__)

CHANGE_ROWS = 8
ALL_CHANGES_ROWS = 50
LAST_CHANGES = 5
FIRST_VISIT_DAYS = 7
MARKS = 8
"""Go-lives named in the chart, the newest; more would cover each other."""


@bp.get("/")
@requires("home.view")
def index() -> str:
    """Show where the loop stands, what waits for the user, and what changed."""
    settings = current_settings()
    running = today(settings.reporting_zone)
    span = data_span()
    cut = span.cut(settings.reporting_zone)
    trend = _trend(span, settings.reporting_zone)
    headline = headline_of(trend, fewest=settings.privacy_k)
    themes = count_themes(db.session)
    shipped = list_shipped_actions(db.session)
    scope = _scope()
    actions = count_open_actions(db.session, today=running, **scope)
    everyone = count_open_actions(db.session, today=running) if scope else actions
    reopened = list_reopened(db.session)
    pence = get_pence_per_minute(db.session, settings.pence_per_minute)
    looks = [one.look for one in shipped]
    portfolio = portfolio_of(db.session, looks, pence_now=pence)
    total, money = portfolio.total, portfolio.money
    since = _since()
    facts = Facts(
        role=Role(current_user.role),
        today=running,
        cut=cut,
        themes=themes,
        reopened=_own_reopened(reopened),
        actions=actions,
        due=list_due_actions(db.session, today=running, **scope),
        shipped=_own(shipped),
        failed=_failed_jobs(),
        has_minute_cost=pence > 0,
        department_id=scope.get("department_id"),
        emerging=list_emerging(db.session, k=settings.privacy_k) if _sees_emerging() else (),
    )
    return render_template(
        "home/index.html",
        heading=f"{running:%A} {running.day} {running:%B}",
        lead=_lead(headline, themes, everyone.overdue, has_data=cut is not None),
        headline=headline,
        has_known=any(one.identified for one in trend.days) or cut is None,
        has_themes=bool(themes.by_status),
        chart=_chart(trend, shipped, has_themes=bool(themes.by_status)),
        chart_rows=_weeks(trend, has_themes=bool(themes.by_status)),
        trend=trend,
        cut=cut,
        themes=themes,
        actions=everyone,
        shipped=shipped,
        next_look=_next_look(shipped, cut),
        reopened=reopened,
        total=total,
        first_go_live=_first_go_live(shipped),
        money=money,
        money_rules=RULES,
        change=Change,
        status=ThemeStatus,
        items=todo_items(facts),
        own_open=actions.open if scope else 0,
        own_department=facts.department_id,
        since=since,
        changes=_changes_since(since),
        before=_last_changes,
        steps=_first_steps(cut is not None, themes, everyone.any, len(shipped)),
    )


def _changes_since(since: datetime | None) -> list[dict[str, Any]]:
    rows = list_changes(
        db.session,
        with_admin=user_may("admin.view"),
        since=since or utc_now() - timedelta(days=FIRST_VISIT_DAYS),
        limit=CHANGE_ROWS,
    )
    return _lines(rows)


def _last_changes() -> list[dict[str, Any]]:
    """Return the newest changes of any age, for a look after which nothing was new."""
    return _lines(list_changes(db.session, with_admin=user_may("admin.view"), limit=LAST_CHANGES))


@bp.get("/changes")
@requires("home.view")
def changes() -> str:
    """Show everything that changed, the newest first."""
    before = request.args.get("before", type=row_id)
    rows = list_changes(
        db.session,
        with_admin=user_may("admin.view"),
        before_id=before,
        limit=ALL_CHANGES_ROWS + 1,
    )
    more = rows[ALL_CHANGES_ROWS - 1].id if len(rows) > ALL_CHANGES_ROWS else None
    return render_template(
        "home/changes.html", changes=_lines(rows[:ALL_CHANGES_ROWS]), more=more, before=before
    )


def _trend(span: DataSpan, zone: str) -> Trend:
    cut, k = span.cut(zone), current_settings().privacy_k
    return get_home_trend(db.session, span, cut, k=k, zone=zone) if cut else Trend()


@bp.get("/repeat-contacts.csv")
@requires("home.view")
def trend_csv() -> Response:
    """Send the days of the chart on home, rates as shares from 0 to 1."""
    settings = current_settings()
    span = data_span()
    trend = _trend(span, settings.reporting_zone)
    headings = (
        *("Day", "Contacts with a known customer", "Any reason, day", "Same theme, day"),
        *("Any reason, 7 days", "Same theme, 7 days", "Without customer, 7 days"),
    )
    rows = [[*_csv_row(one), trend.unidentified_share(i)] for i, one in enumerate(trend.days)]
    return csv_response("repeat-contacts.csv", headings, rows)


def _csv_row(one: Day) -> list[Any]:
    known = "not shown" if one.shown_identified is None else one.shown_identified
    return [one.day, known, one.any, one.same, one.any7, one.same7]


def _scope() -> dict[str, int | None]:
    """Return whose actions are the user's own: a stakeholder's department, else everybody's."""
    if current_user.role is not Role.STAKEHOLDER:
        return {}
    return {"department_id": current_user.department_id, "owner_id": current_user.id}


def _own(shipped: list[ShippedAction]) -> list[ShippedAction]:
    if current_user.role is not Role.STAKEHOLDER:
        return shipped
    return [one for one in shipped if one.department_id == current_user.department_id]


def _own_reopened(reopened: list[ReopenedTheme]) -> list[ReopenedTheme]:
    if current_user.role is not Role.STAKEHOLDER or not reopened:
        return reopened
    return list_reopened(db.session, department_id=current_user.department_id)


def _sees_emerging() -> bool:
    return Todo.EMERGING in TODO_FOR[Role(current_user.role)]


def _failed_jobs() -> list[tuple[str, int]]:
    if not user_may("jobs.view"):
        return []
    newest = last_runs(db.session)
    return [(kind.label, job.id) for kind, job in newest.items() if job.state is JobState.FAILED]


def _since() -> datetime | None:
    """Return since when changes are new, None on the first visit, and remember this visit.

    Looks within half an hour belong to one visit: a reload shows what the first look showed.
    """
    looked: datetime | None = current_user.facts.last_looked_at
    now = utc_now()
    if looked and (now - looked).total_seconds() < LOOK_AGAIN_SECONDS:
        kept = flask.session.get("changes_since", looked.isoformat())
        return datetime.fromisoformat(kept) if kept else None
    with db.transaction() as session:
        note_look_at_home(session, user_id=current_user.id)
    flask.session["changes_since"] = looked.isoformat() if looked else ""
    return looked


def _lead(
    headline: RepeatHeadline | None, themes: ThemeCounts, overdue: int, *, has_data: bool
) -> str:
    """Return the sentence that sums up."""
    if not has_data:
        return "Nothing has been brought in yet. These are the steps to the first result."
    words = {
        Change.FELL: "Repeat contacts are falling.",
        Change.ROSE: "Repeat contacts are rising.",
        Change.FLAT: "Repeat contacts are about where they were.",
    }
    said = [words[headline.change]] if headline and headline.before_day else []
    back = themes.of(ThemeStatus.REOPENED)
    waits = [
        *([f"{plural(back, 'theme')} came back"] if back else []),
        *([f"{plural(overdue, 'action')} {_are(overdue)} overdue"] if overdue else []),
    ]
    if waits:
        sentence = " and ".join(waits)
        said.append(sentence[0].upper() + sentence[1:] + ".")
    candidates = themes.of(ThemeStatus.CANDIDATE)
    if candidates and not waits:
        verb = "waits" if candidates == 1 else "wait"
        said.append(f"{plural(candidates, 'candidate')} {verb} for a decision.")
    return " ".join(said) or "Nothing waits for anybody."


def _next_look(shipped: list[ShippedAction], cut: date | None) -> date | None:
    """Return the last data day of the next look at any action; looks due by now are past."""
    days = (one.next_look for one in shipped)
    return min((day for day in days if day and cut and day > cut), default=None)


def _first_go_live(shipped: list[ShippedAction]) -> date | None:
    """Return the first go-live of the actions that are in the total."""
    added = (one for one in shipped if one.look and one.look.verdict in ADDED_VERDICTS)
    return min((one.went_live_on for one in added), default=None)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _chart(trend: Trend, shipped: list[ShippedAction], *, has_themes: bool) -> dict[str, Any]:
    """Return the data of the chart `repeat`; what may not be shown is left out.

    Without themes nothing is claimed about the same theme.
    """
    days = trend.days
    inside = [one for one in shipped if days and days[0].day <= one.went_live_on <= days[-1].day]
    return {
        "days": [one.day for one in days],
        "any": [one.any for one in days],
        "same": [one.same if has_themes else None for one in days],
        "any7": [one.any7 for one in days],
        "same7": [one.same7 if has_themes else None for one in days],
        "maturing_from": trend.maturing_from,
        "marks": [
            {"day": one.went_live_on, "label": _short(one.title)}
            for one in reversed(inside[:MARKS])
        ],
    }


def _short(title: str, most: int = 26) -> str:
    return title if len(title) <= most else title[: most - 1].rstrip() + "…"


def _weeks(trend: Trend, *, has_themes: bool) -> list[tuple[str, str, str, str]]:
    """Return every seventh day for the table, the newest mature one last."""
    known = [i for i, one in enumerate(trend.days) if one.any7 is not None]
    rows = []
    for i in known[::-1][::7][::-1]:
        one, without = trend.days[i], trend.unidentified_share(i)
        same = one.same7 if has_themes else None
        rows.append((day_words(one.day), pct(one.any7), pct(same), pct(without)))
    if trend.maturing_from and trend.days:
        last = trend.days[-1].day
        span = f"{day_words(trend.maturing_from, year=False)} to {day_words(last)}, maturing"
        rows.append((span, "not yet known", "not yet known", ""))
    return rows


@dataclass(frozen=True)
class FirstStep:
    """One step from an empty site to the first result."""

    title: str
    text: str
    is_done: bool
    url: str
    button: str
    permission: str
    at_any_time: bool = False


def _find_themes(*, has_words: bool) -> FirstStep:
    """Return the second step: themes need words."""
    if not has_words:
        return FirstStep(
            "Look for themes",
            "These contacts hold no words of customers, so repeats can be counted but no themes "
            "be found. Import a file with transcripts or messages.",
            False,
            url_for("contacts.import_new"),
            "Import words",
            "contacts.import",
        )
    return FirstStep(
        "Look for themes",
        "closedloop reads the repeat contacts and groups what customers say. A few minutes, "
        "in the background.",
        False,
        url_for("themes.index"),
        "Look for themes",
        "themes.discover",
    )


def _people() -> list[FirstStep]:
    """Return the step that only administrators can take, to nobody else."""
    if not user_may("admin.manage"):
        return []
    has_departments = bool(list_departments(db.session))
    return [
        FirstStep(
            "Add departments and people",
            "Triage gives each theme to a department; its stakeholders own the actions. CX "
            "managers decide with them.",
            has_departments and len(list_users(db.session, active_only=True)) > 1,
            url_for("admin.users" if has_departments else "admin.departments"),
            "Add people" if has_departments else "Add departments",
            "admin.manage",
            at_any_time=True,
        )
    ]


def _first_steps(
    has_data: bool, themes: ThemeCounts, actions: int, shipped: int
) -> list[FirstStep]:
    """Return the steps while the loop has not been gone through once; empty afterwards."""
    if shipped:
        return []
    return [
        FirstStep(
            "Import contacts",
            "An export of your telephony, chat or ticket system: CSV, Excel, Parquet or JSON. "
            "Personal data are hidden before anything is stored. About five minutes.",
            has_data,
            url_for("contacts.import_new"),
            "Import contacts",
            "contacts.import",
        ),
        replace(
            _find_themes(has_words=not has_data or has_words(db.session)),
            is_done=bool(themes.by_status),
        ),
        *_people(),
        FirstStep(
            "Decide at triage",
            "With the departments: what fails for the customer, and who can act at the source.",
            themes.agreed > 0,
            url_for("triage.index"),
            "Start triage",
            "triage.decide",
        ),
        FirstStep(
            "Agree on an action",
            "With an owner, a due date and the drop you expect.",
            actions > 0,
            url_for("actions.index"),
            "Propose an action",
            "actions.create",
        ),
        FirstStep(
            "Ship it, and see whether demand falls",
            "The first verdict comes 14 days after the change went live.",
            False,
            url_for("actions.index"),
            "See the actions",
            "actions.view",
        ),
    ]


def _lines(rows: list[ChangeRow]) -> list[dict[str, Any]]:
    """Return changes as the macro `timeline` takes them."""
    return [
        {
            "at": row.at,
            "by": row.actor_name,
            "text": row.summary if row.summary.endswith((".", "?", "!")) else f"{row.summary}.",
            "url": _target_url(row),
            "link": "" if row.name in row.summary else row.name,
            "kind": _kind(row),
        }
        for row in rows
    ]


def _target_url(row: ChangeRow) -> str:
    if row.key and row.target == "theme":
        return url_for("themes.show", key=row.key)
    if row.key and row.target == "action":
        return url_for("actions.show", key=row.key)
    if row.key and row.target == "intervention":
        return url_for("impact.show", key=row.key)
    if row.target == "import" and row.target_id and user_may("contacts.import"):
        return url_for("contacts.import_show", batch_id=row.target_id)
    if row.target == "job" and row.target_id and user_may("jobs.view"):
        return url_for("jobs.show", job_id=row.target_id)
    return ""


def _kind(row: ChangeRow) -> str:
    if row.verb == "impact.comeback_raised" or row.verb == "jobs.failed":
        return "rose"
    if row.verb == "impact.measured" and row.summary.endswith(f": {Verdict.FELL.value}"):
        return "fell"
    return {"actions.shipped": "live"}.get(row.verb, "")
