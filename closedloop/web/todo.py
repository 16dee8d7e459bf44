"""The list "For you": what waits for somebody, in a line each with the one next step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from flask import url_for

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import utc_now
from closedloop.domain.home import DUE_SOON_DAYS, NEW_VERDICT_DAYS, TODO_FOR, Todo
from closedloop.domain.impact import Verdict
from closedloop.domain.impact_words import answer, plain, spelt
from closedloop.domain.themes import STATS_DAYS, ThemeStatus
from closedloop.queries.home import ActionCounts, DueAction, ReopenedTheme, ThemeCounts
from closedloop.queries.impact import ShippedAction
from closedloop.queries.leftovers import EmergingRow
from closedloop.web.filters import day as day_words
from closedloop.web.filters import n, plural

MOST_VERDICTS = 3
_SHAPES = {
    Verdict.FELL: ("v-fell", "cl-c-fell"),
    Verdict.ROSE: ("v-rose", "cl-c-rose"),
    Verdict.NO_CHANGE: ("v-none", ""),
    Verdict.INCONCLUSIVE: ("v-inconclusive", ""),
    Verdict.NOT_ENOUGH_DATA: ("v-scarce", ""),
}


@dataclass(frozen=True)
class Item:
    """One line: a mark with its colour, what it is, what is known of it, the next step."""

    mark: str
    tone: str
    title: str
    text: str
    url: str
    button: str


@dataclass(frozen=True)
class Facts:
    """What the list is made from.

    Attributes
    ----------
    role : Role
    today : date
        Reporting day that is running.
    cut : date or None
        Last day of data; None without any.
    actions : ActionCounts
        In the scope of the user: a stakeholder's own department, everything otherwise.
    failed : sequence of (str, int)
        Name and number of jobs whose newest run failed.
    has_minute_cost : bool
    department_id : int or None
        Of a stakeholder: lists that are linked to show its actions only.
    emerging : sequence of EmergingRow
        Emerging themes that wait for a decision.
    """

    role: Role
    today: date
    cut: date | None
    themes: ThemeCounts
    reopened: Sequence[ReopenedTheme]
    actions: ActionCounts
    due: Sequence[DueAction]
    shipped: Sequence[ShippedAction]
    failed: Sequence[tuple[str, int]]
    has_minute_cost: bool
    department_id: int | None = None
    emerging: Sequence[EmergingRow] = ()


def todo_items(facts: Facts) -> list[Item]:
    """Return what waits for the user's role, most pressing first."""
    return [item for kind in TODO_FOR[facts.role] for item in _MAKERS[kind](facts)]


def _came_back(facts: Facts) -> Iterable[Item]:
    for theme in facts.reopened:
        since = f" since {spelt(theme.since_on)}" if theme.since_on else ""
        more = (
            f"About {n(theme.excess)} contacts more{since} than the fix had left."
            if theme.excess is not None
            else "Its fix no longer holds."
        )
        yield Item(
            "v-rose",
            "cl-c-rose",
            f"“{theme.name}” came back",
            more,
            url_for("themes.show", key=theme.key),
            "See what changed",
        )


def _new_verdicts(facts: Facts) -> list[ShippedAction]:
    if facts.cut is None:
        return []
    since = facts.cut - timedelta(days=NEW_VERDICT_DAYS)
    fresh = [one for one in facts.shipped if one.look and one.look.as_of > since]
    return sorted(fresh, key=lambda one: one.look.as_of if one.look else date.min, reverse=True)


def _got_worse(facts: Facts) -> Iterable[Item]:
    for one in _new_verdicts(facts):
        if one.look and one.verdict is Verdict.ROSE:
            yield _verdict_item(one, f"“{one.title}” made it worse", "Decide")


def _verdicts(facts: Facts) -> Iterable[Item]:
    found = [one for one in _new_verdicts(facts) if one.verdict is not Verdict.ROSE]
    for one in found[:MOST_VERDICTS]:
        yield _verdict_item(one, f"Verdict ready: “{one.title}”", "Read it")
    if len(found) > MOST_VERDICTS:
        yield Item(
            "chart-dots",
            "",
            f"{plural(len(found) - MOST_VERDICTS, 'more verdict')} ready",
            f"All of the last {plural(NEW_VERDICT_DAYS, 'day')} of data.",
            url_for("impact.index"),
            "Read them",
        )


def _verdict_item(one: ShippedAction, title: str, button: str) -> Item:
    mark, tone = _SHAPES.get(one.verdict, ("v-early", ""))
    said = plain(answer(one.finding(one.look))) if one.look else ""
    says_itself = (Verdict.NOT_ENOUGH_DATA, Verdict.NO_CHANGE)
    word = "" if one.verdict in says_itself else f"{one.verdict.label}. "
    return Item(mark, tone, title, word + said, url_for("impact.show", key=one.key), button)


def _overdue(facts: Facts) -> Iterable[Item]:
    if facts.actions.overdue:
        late = [one for one in facts.due if one.due_on and one.due_on < facts.today]
        late = [one for one in late if one.status is not ActionStatus.HANDED_BACK]
        is_own = facts.role is Role.STAKEHOLDER
        owners = "owner" if facts.actions.overdue == 1 else "owners"
        yield Item(
            "clock",
            "cl-c-attn",
            f"{plural(facts.actions.overdue, 'action')} {_are(facts.actions.overdue)} overdue",
            _named(late, facts.actions.overdue, lambda one: _late(one, facts.today)),
            url_for("actions.index", view="list", overdue="1", department=facts.department_id),
            "Ship, or change the date" if is_own else f"Ask the {owners}",
        )


def _due_soon(facts: Facts) -> Iterable[Item]:
    if facts.actions.due_soon:
        last = facts.today + timedelta(days=DUE_SOON_DAYS)
        soon = [one for one in facts.due if one.due_on and facts.today <= one.due_on <= last]
        soon = [one for one in soon if one.status is not ActionStatus.HANDED_BACK]
        number = facts.actions.due_soon
        yield Item(
            "calendar",
            "",
            f"{plural(number, 'action')} {_are(number)} due within a week",
            _named(soon, number, lambda one: f"{day_words(one.due_on, year=False)}"),
            url_for("actions.index", view="list", show="open", department=facts.department_id),
            "See them",
        )


def _proposed(facts: Facts) -> Iterable[Item]:
    number = facts.actions.proposed
    if number:
        found = [one for one in facts.due if one.status is ActionStatus.PROPOSED]
        is_one = number == 1 and len(found) == 1
        yield Item(
            "checklist",
            "cl-c-attn",
            f"{plural(number, 'action')} {'waits' if number == 1 else 'wait'} for your answer",
            _named(found, number, _live_by),
            url_for("actions.show", key=found[0].key)
            if is_one
            else url_for("actions.index", department=facts.department_id),
            "Agree, or hand it back" if is_one else "Answer them",
        )


def _handed_back(facts: Facts) -> Iterable[Item]:
    if facts.actions.handed_back:
        back = [one for one in facts.due if one.status is ActionStatus.HANDED_BACK]
        number = facts.actions.handed_back
        yield Item(
            "arrow-back-up",
            "cl-c-attn",
            f"{plural(number, 'action')} {'was' if number == 1 else 'were'} handed back",
            _named(back, number, _why_back),
            url_for("actions.index"),
            "Find another way",
        )


def _not_held(facts: Facts) -> Iterable[Item]:
    number = facts.themes.of(ThemeStatus.NOT_HELD)
    if number:
        yield Item(
            "v-none",
            "",
            f"{plural(number, 'theme')} did not hold",
            "What was shipped did not bring the contacts down. Look for another cause, or another "
            "action.",
            url_for("themes.index", view="open", status=ThemeStatus.NOT_HELD.value),
            f"See {'it' if number == 1 else 'them'}",
        )


def _emerging(facts: Facts) -> Iterable[Item]:
    number = len(facts.emerging)
    if number:
        first = facts.emerging[0]
        more = f" And {plural(number - 1, 'more', 'more')}." if number > 1 else ""
        yield Item(
            "bulb",
            "cl-c-attn",
            f"“{first.name}” emerges among contacts in no theme",
            f"{first.why}.{more}",
            url_for("themes.unassigned", _anchor="emerging"),
            "Take or dismiss",
        )


def _candidates(facts: Facts) -> Iterable[Item]:
    number = facts.themes.of(ThemeStatus.CANDIDATE)
    if number:
        waited = ""
        if facts.themes.oldest_candidate:
            days = (utc_now() - facts.themes.oldest_candidate).days
            waited = f" The oldest has waited {plural(days, 'day')}." if days else ""
        yield Item(
            "arrows-split-2",
            "",
            f"{plural(number, 'candidate')} {'waits' if number == 1 else 'wait'} for a decision",
            f"Together {plural(facts.themes.candidate_contacts, 'contact')} in {STATS_DAYS} days."
            + waited,
            url_for("triage.index"),
            "Start triage",
        )


def _failed_jobs(facts: Facts) -> Iterable[Item]:
    for label, job_id in facts.failed:
        yield Item(
            "alert-triangle",
            "cl-c-attn",
            f"{label} failed",
            "The newest run of this job did not finish, so figures may be behind.",
            url_for("jobs.show", job_id=job_id),
            "See why",
        )


def _minute_cost(facts: Facts) -> Iterable[Item]:
    if not facts.has_minute_cost and facts.shipped:
        yield Item(
            "settings",
            "",
            "Nobody has said what an agent minute costs",
            "Until then impact is shown in contacts and hours, without money.",
            url_for("admin.site"),
            "Set it",
        )


def _report(facts: Facts) -> Iterable[Item]:
    if facts.shipped:
        yield Item(
            "file-analytics",
            "",
            "The report is ready",
            "What was fixed, what it saved, what did not work and what is next, on one page.",
            url_for("reports.index"),
            "Read it",
        )


_MAKERS: dict[Todo, Callable[[Facts], Iterable[Item]]] = {
    Todo.CAME_BACK: _came_back,
    Todo.JOB_FAILED: _failed_jobs,
    Todo.GOT_WORSE: _got_worse,
    Todo.OVERDUE: _overdue,
    Todo.PROPOSED: _proposed,
    Todo.VERDICT: _verdicts,
    Todo.HANDED_BACK: _handed_back,
    Todo.DUE_SOON: _due_soon,
    Todo.NOT_HELD: _not_held,
    Todo.EMERGING: _emerging,
    Todo.CANDIDATES: _candidates,
    Todo.MINUTE_COST: _minute_cost,
    Todo.REPORT: _report,
}


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _why_back(one: DueAction) -> str:
    reason = (one.hand_back_reason or "").rstrip(".")
    return f"{one.department_name}: {reason}"


def _live_by(one: DueAction) -> str:
    return f"live by {day_words(one.due_on, year=False)}" if one.due_on else "no day yet"


def _late(one: DueAction, today: date) -> str:
    days = (today - one.due_on).days if one.due_on else 0
    return f"{one.department_name}, {plural(days, 'day')}"


def _named(actions: Sequence[DueAction], number: int, say: Callable[[DueAction], str]) -> str:
    """Name the first few actions, and say how many more there are."""
    named = [f"“{one.title}” ({say(one)})" for one in actions]
    rest = number - len(named)
    if rest > 0:
        return ", ".join(named) + (f" and {rest} more." if named else "")
    return " and ".join(filter(None, [", ".join(named[:-1]), *named[-1:]])) + "."
