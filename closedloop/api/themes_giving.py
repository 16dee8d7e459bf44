"""Deciding over the API about contacts in no theme: give them to one, take what emerges."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.change_schemas import ChangeDone, Chosen, Confirmed, ListedQuery, PreviewOut
from closedloop.api.schemas import In, JobOut, Key, Out, Rate
from closedloop.api.themes_curation import change_theme, preview_out
from closedloop.api.themes_leftovers import CoverageOut, coverage_out
from closedloop.api.themes_runs import Queued, queued
from closedloop.extensions import current_settings, db
from closedloop.queries.leftovers import CoverageCount, get_coverage, list_dismissed
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_page import find_theme
from closedloop.services.curation import move_contacts, preview_move
from closedloop.services.emerging import dismiss_emerging, restore_emerging
from closedloop.services.emerging_taking import preview_taking, queue_taking
from closedloop.services.leftovers import set_coverage_goal

_EMERGING = "/themes/emerging/<int(max=2147483647):emerging_id>"
_DECIDED = {404: "There is no such emerging theme.", 409: "Somebody has decided about it."}
_REFUSED = {404: "There is no such theme.", 409: "The theme takes no contacts."}


class GiveAsked(Chosen):
    """Contacts that are in no theme, and where they belong."""

    to: Key = Field(description="Key of the theme they belong to.")


class GiveIn(GiveAsked, Confirmed):
    """Contacts to be given to a theme."""


class GoalIn(In):
    """A goal of coverage."""

    goal: Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]


class GoalOut(Out):
    """The goal in force and the reporting day it holds from."""

    goal: Rate
    valid_from: date


class CoverageWeek(Out):
    """A week from its Monday; null where too few customers are behind it."""

    week_from: date
    contacts_with_text: int | None
    with_theme: int | None
    dismissed: int | None = Field(description="In a theme that was dismissed or retired.")
    value: Rate | None


class CoverageAnswer(Out):
    """Coverage of the last 4 weeks, null before the first contact or of too few; and by week."""

    coverage: CoverageOut | None
    weeks: list[CoverageWeek]


class EmergingDone(Out):
    """An emerging theme somebody decided about."""

    id: int
    name: str
    state: str


class DismissedOut(Out):
    """An emerging theme that was dismissed."""

    id: int
    name: str
    decided_by: str
    seen_on: date


class DismissedList(Out):
    """What was dismissed last, so that it can be taken back."""

    items: list[DismissedOut]


@bp.post("/themes/unassigned/give/preview")
@bp.doc(summary="What giving contacts to a theme would do", responses=_REFUSED)
@bp.input(GiveAsked, location="json", arg_name="sent")
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def preview_give_view(sent: GiveAsked, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that would move, with all that say the same words; nothing is changed."""
    preview = preview_move(
        db.session,
        theme_id=None,
        contact_ids=sent.contacts,
        to_id=find_theme(db.session, sent.to).id,
        k=current_settings().privacy_k,
    )
    return preview_out(preview, asked)


@bp.post("/themes/unassigned/give")
@bp.doc(summary="Give contacts in no theme to one", responses=_REFUSED)
@bp.input(GiveIn, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def give_view(sent: GiveIn) -> ChangeDone:
    """Say that contacts in no theme belong to one; every later round and run keeps to it."""
    to_id = find_theme(db.session, sent.to).id
    return change_theme(None, sent, move_contacts, contact_ids=sent.contacts, to_id=to_id)


@bp.get("/themes/coverage")
@bp.doc(summary="Coverage by week")
@bp.output(CoverageAnswer)
@needs("contacts.view")
def get_coverage_view() -> CoverageAnswer:
    """Give which share of the contacts with text is in a theme, against its goal."""
    last_day = get_data_span(db.session).last_day
    if last_day is None:
        return CoverageAnswer(coverage=None, weeks=[])
    found = get_coverage(db.session, last_day=last_day)
    k = current_settings().privacy_k
    weeks = [_week(week, count, is_hidden=0 < count.customers < k) for week, count in found.weeks]
    return CoverageAnswer(coverage=coverage_out(found), weeks=weeks)


@bp.post("/themes/coverage/goal")
@bp.doc(summary="Set the goal of coverage")
@bp.input(GoalIn, location="json", arg_name="sent")
@bp.output(GoalOut)
@needs("themes.curate", WRITE)
def set_goal_view(sent: GoalIn) -> GoalOut:
    """Set which share of the contacts with text shall be in a theme, from now on."""
    with db.transaction() as session:
        row = set_coverage_goal(
            session, settings=current_settings(), goal=sent.goal, by=api_actor()
        )
        return GoalOut(goal=sent.goal, valid_from=row.valid_from)


@bp.get("/themes/emerging/dismissed")
@bp.doc(summary="List emerging themes that were dismissed")
@bp.output(DismissedList)
@needs("contacts.view")
def list_dismissed_view() -> DismissedList:
    """Give what was dismissed last."""
    return DismissedList(
        items=[
            DismissedOut(id=row.id, name=row.name, decided_by=row.decided_by, seen_on=row.seen_on)
            for row in list_dismissed(db.session)
        ]
    )


@bp.post(f"{_EMERGING}/take/preview")
@bp.doc(summary="What taking an emerging theme would do", responses=_DECIDED)
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("triage.decide", WRITE)
def preview_take_emerging_view(emerging_id: int, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that would join it, of the whole history; nothing is changed."""
    k = current_settings().privacy_k
    return preview_out(preview_taking(db.session, emerging_id=emerging_id, k=k), asked)


@bp.post(f"{_EMERGING}/take")
@bp.doc(summary="Make a candidate of an emerging theme", responses=_DECIDED)
@bp.input(Confirmed, location="json", arg_name="sent")
@bp.output(JobOut, status_code=202)
@needs("triage.decide", WRITE)
def take_emerging_view(emerging_id: int, sent: Confirmed) -> Queued:
    """Queue the job that makes it a candidate and assigns the whole history anew.

    It stands among the changes of the theme, from where it is taken back.
    """
    with db.transaction() as session:
        job = queue_taking(
            session,
            settings=current_settings(),
            emerging_id=emerging_id,
            typed_count=sent.expected_count,
            by=api_actor(),
        )
        return queued(job)


@bp.post(f"{_EMERGING}/dismiss")
@bp.doc(summary="Dismiss an emerging theme", responses=_DECIDED)
@bp.output(EmergingDone)
@needs("triage.decide", WRITE)
def dismiss_emerging_view(emerging_id: int) -> EmergingDone:
    """Say that it is none; it does not come back while it looks alike."""
    with db.transaction() as session:
        return _done(dismiss_emerging(session, emerging_id=emerging_id, by=api_actor()))


@bp.post(f"{_EMERGING}/restore")
@bp.doc(summary="Take the dismissal of an emerging theme back", responses=_DECIDED)
@bp.output(EmergingDone)
@needs("triage.decide", WRITE)
def restore_emerging_view(emerging_id: int) -> EmergingDone:
    """Let it wait for a decision again."""
    with db.transaction() as session:
        return _done(restore_emerging(session, emerging_id=emerging_id, by=api_actor()))


def _done(row: Any) -> EmergingDone:
    return EmergingDone(id=row.id, name=row.name, state=row.state.value)


def _week(week: date, count: CoverageCount, *, is_hidden: bool) -> CoverageWeek:
    return CoverageWeek(
        week_from=week,
        contacts_with_text=None if is_hidden else count.with_text,
        with_theme=None if is_hidden else count.with_theme,
        dismissed=None if is_hidden else count.dismissed,
        value=None if is_hidden else count.value,
    )
