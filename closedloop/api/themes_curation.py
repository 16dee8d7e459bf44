"""Changing themes over the API: describe, move, split, merge, retire, restore, take back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flask

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.change_schemas import (
    ChangeDone,
    ChangeList,
    ChangeOut,
    Confirmed,
    DecisionDone,
    HistoryList,
    HistoryOut,
    ListedQuery,
    MergeAsked,
    MergeIn,
    MergePreviewOut,
    MoveAsked,
    MoveIn,
    MovingContact,
    PreviewOut,
    SplitAsked,
    SplitIn,
    ThemeWords,
    UndoDone,
)
from closedloop.api.cursors import read_id
from closedloop.api.jobs import job_out
from closedloop.api.schemas import NO_THEME, Page, ThemeDetail
from closedloop.api.themes import theme_detail
from closedloop.domain.curation import must_type_count
from closedloop.extensions import current_settings, db
from closedloop.queries.curation import Change, list_changes, list_picked
from closedloop.queries.theme_page import find_theme, list_theme_history
from closedloop.queries.triage import list_merging, preview_merge
from closedloop.services.curation import move_contacts, preview_move, preview_split, split_theme
from closedloop.services.retiring import (
    preview_restore,
    preview_retire,
    restore_theme,
    retire_theme,
)
from closedloop.services.themes import describe_cause, describe_scenario, rename_theme
from closedloop.services.triage import confirm_merge, undo_decision
from closedloop.services.undoing import take_back

THEME = "/themes/<string(maxlength=20):key>"
_REFUSED = {
    404: "There is no such theme.",
    409: "The theme is not, or no longer, where this can be done.",
}
_DESCRIBERS: dict[str, Callable[..., Any]] = {
    "name": rename_theme,
    "scenario": describe_scenario,
    "cause": describe_cause,
}


@bp.patch(THEME)
@bp.doc(summary="Rename or describe a theme", responses=_REFUSED)
@bp.input(ThemeWords, location="json", arg_name="sent")
@bp.output(ThemeDetail)
@needs("themes.curate", WRITE)
def describe_theme_view(key: str, sent: ThemeWords) -> ThemeDetail:
    """Write down what is sent, all of it or nothing; no run changes it from then on."""
    with db.transaction() as session:
        theme_id = find_theme(session, key).id
        for field, describe in _DESCRIBERS.items():
            if (words := getattr(sent, field)) is not None:
                describe(session, theme_id=theme_id, by=api_actor(), **{field: words})
        return theme_detail(session, key)


@bp.post(f"{THEME}/move/preview")
@bp.doc(summary="What moving contacts would do", responses=_REFUSED)
@bp.input(MoveAsked, location="json", arg_name="sent")
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def preview_move_view(key: str, sent: MoveAsked, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that would move, with all that say the same words; nothing is changed."""
    preview = preview_move(
        db.session,
        theme_id=find_theme(db.session, key).id,
        contact_ids=sent.contacts,
        to_id=target_of(sent.to),
        k=current_settings().privacy_k,
    )
    return preview_out(preview, asked)


@bp.post(f"{THEME}/move")
@bp.doc(summary="Move contacts to another theme, or out of this one", responses=_REFUSED)
@bp.input(MoveIn, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def move_view(key: str, sent: MoveIn) -> ChangeDone:
    """Say that contacts belong elsewhere; every later round and run keeps to it."""
    return change_theme(
        key,
        sent,
        move_contacts,
        contact_ids=sent.contacts,
        to_id=target_of(sent.to),
    )


@bp.post(f"{THEME}/split/preview")
@bp.doc(summary="What splitting a theme would do", responses=_REFUSED)
@bp.input(SplitAsked, location="json", arg_name="sent")
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def preview_split_view(key: str, sent: SplitAsked, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that are like the examples and would leave; nothing is changed."""
    preview = preview_split(
        db.session,
        theme_id=find_theme(db.session, key).id,
        contact_ids=sent.contacts,
        k=current_settings().privacy_k,
    )
    return preview_out(preview, asked)


@bp.post(f"{THEME}/split")
@bp.doc(summary="Split a theme by examples", responses=_REFUSED)
@bp.input(SplitIn, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def split_view(key: str, sent: SplitIn) -> ChangeDone:
    """Make a theme of what is like the examples; it is `other_theme` and waits for triage."""
    return change_theme(key, sent, split_theme, contact_ids=sent.contacts, name=sent.name)


@bp.post(f"{THEME}/merge/preview")
@bp.doc(summary="What merging a theme into another would do", responses=_REFUSED)
@bp.input(MergeAsked, location="json", arg_name="sent")
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(MergePreviewOut)
@needs("triage.decide", WRITE)
def preview_merge_view(key: str, sent: MergeAsked, asked: ListedQuery) -> MergePreviewOut:
    """Count what would move and list it; nothing is changed."""
    theme, into = find_theme(db.session, key), find_theme(db.session, sent.into)
    found = preview_merge(db.session, theme.id, into.id, k=current_settings().privacy_k)
    return MergePreviewOut(
        theme=theme.key,
        into=into.key,
        contacts=found.moves,
        contacts_after=found.contacts_after,
        customers_after=found.customers_after,
        needs_expected_count=must_type_count(found.moves),
        **_listed(
            list_merging(db.session, theme.id, after=read_id(asked.after), limit=asked.limit + 1),
            asked,
        ),
    )


@bp.post(f"{THEME}/merge")
@bp.doc(summary="Merge a theme into another", responses=_REFUSED)
@bp.input(MergeIn, location="json", arg_name="sent")
@bp.output(DecisionDone)
@needs("triage.decide", WRITE)
def merge_view(key: str, sent: MergeIn) -> DecisionDone:
    """Make a theme part of another: its contacts, its open actions, and what comes later."""
    with db.transaction() as session:
        decision = confirm_merge(
            session,
            settings=current_settings(),
            theme_id=find_theme(session, key).id,
            into_id=find_theme(session, sent.into).id,
            reason=sent.reason,
            typed_count=sent.expected_count,
            by=api_actor(),
        )
        return DecisionDone(decision=decision.id, kind=decision.decision.value, theme=key)


@bp.post("/themes/decisions/<int(max=2147483647):decision_id>/undo")
@bp.doc(summary="Take a decision of triage back", responses={404: "No such decision.", **_REFUSED})
@bp.output(DecisionDone)
@needs("triage.decide", WRITE)
def undo_decision_view(decision_id: int) -> DecisionDone:
    """Take a merge, or what else was decided at triage, back."""
    with db.transaction() as session:
        done = undo_decision(
            session, settings=current_settings(), decision_id=decision_id, by=api_actor()
        )
        return DecisionDone(decision=done.id, kind=done.decision.value, theme=done.theme.key)


@bp.post(f"{THEME}/retire/preview")
@bp.doc(summary="What retiring a theme would do", responses=_REFUSED)
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def preview_retire_view(key: str, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that would be in no theme; nothing is changed."""
    return _preview_whole(key, asked, preview_retire)


@bp.post(f"{THEME}/retire")
@bp.doc(summary="Take a theme out of use", responses=_REFUSED)
@bp.input(Confirmed, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def retire_view(key: str, sent: Confirmed) -> ChangeDone:
    """Leave its contacts in no theme; no run proposes the same again."""
    return change_theme(key, sent, retire_theme)


@bp.post(f"{THEME}/restore/preview")
@bp.doc(summary="What restoring a theme would do", responses=_REFUSED)
@bp.input(ListedQuery, location="query", arg_name="asked")
@bp.output(PreviewOut)
@needs("themes.curate", WRITE)
def preview_restore_view(key: str, asked: ListedQuery) -> PreviewOut:
    """Give the contacts that would return; nothing is changed."""
    return _preview_whole(key, asked, preview_restore)


@bp.post(f"{THEME}/restore")
@bp.doc(summary="Bring a retired theme back", responses=_REFUSED)
@bp.input(Confirmed, location="json", arg_name="sent")
@bp.output(ChangeDone)
@needs("themes.curate", WRITE)
def restore_view(key: str, sent: Confirmed) -> ChangeDone:
    """Let it stand where it stood, with its contacts and those that came since."""
    return change_theme(key, sent, restore_theme)


@bp.get(f"{THEME}/changes")
@bp.doc(summary="What people did to a theme", responses={404: _REFUSED[404]})
@bp.input(Page, location="query", arg_name="asked")
@bp.output(ChangeList)
@needs("themes.view")
def list_changes_view(key: str, asked: Page) -> ChangeList:
    """Give moves, splits and other changes, the newest first, each with the number to undo it."""
    rows = list_changes(
        db.session,
        find_theme(db.session, key).id,
        before_id=read_id(asked.after),
        limit=asked.limit + 1,
    )
    page = rows[: asked.limit]
    more = str(page[-1].id) if len(rows) > asked.limit else None
    return ChangeList(items=[_change_out(row) for row in page], next=more)


@bp.post("/themes/changes/<int(max=2147483647):change_id>/undo")
@bp.doc(
    summary="Take a change back",
    responses={404: "No such change.", 409: "Undone already, or something was built on it."},
)
@bp.output(UndoDone)
@needs("themes.curate", WRITE)
def undo_change_view(change_id: int) -> UndoDone | tuple[UndoDone, int, dict[str, str]]:
    """Let every contact, label and figure be as it was before; parts of a run by a `job`."""
    with db.transaction() as session:
        done = take_back(session, settings=current_settings(), change_id=change_id, by=api_actor())
        answer = UndoDone(
            **change_done(done.change).model_dump(), job=job_out(done.job) if done.job else None
        )
    if answer.job is None:
        return answer
    return answer, 202, {"Location": flask.url_for("api.get_job_view", job_id=answer.job.id)}


@bp.get(f"{THEME}/history")
@bp.doc(summary="What happened to a theme", responses={404: _REFUSED[404]})
@bp.output(HistoryList)
@needs("themes.view")
def list_history_view(key: str) -> HistoryList:
    """Give the newest events; the newest decision of triage with the number that undoes it."""
    found = list_theme_history(db.session, find_theme(db.session, key).id)
    return HistoryList(
        items=[
            HistoryOut(at=e.at, by=e.by, verb=e.verb, text=e.text, undo_decision=e.undo_decision_id)
            for e in found
        ]
    )


def target_of(key: str) -> int | None:
    """Return the theme that contacts shall go to; None for no theme."""
    return None if key == NO_THEME else int(find_theme(db.session, key).id)


def change_theme(
    key: str | None, sent: Confirmed, change: Callable[..., Any], **values: Any
) -> ChangeDone:
    """Make a change of one theme, or of the contacts in none, and return it."""
    with db.transaction() as session:
        done = change(
            session,
            settings=current_settings(),
            theme_id=find_theme(session, key).id if key is not None else None,
            by=api_actor(),
            typed_count=sent.expected_count,
            **values,
        )
        return change_done(done)


def change_done(change: Any) -> ChangeDone:
    """Return a change as the API gives it."""
    return ChangeDone(
        change=change.id,
        kind=change.kind.value,
        theme=change.theme.key,
        other_theme=change.other.key if change.other else None,
        contacts=change.contacts,
    )


def preview_out(preview: Any, asked: ListedQuery) -> PreviewOut:
    """Return what a change would do, with a page of the contacts it would move."""
    return PreviewOut(
        contacts=preview.contacts,
        named=preview.chosen,
        customers=preview.customers,
        stay=preview.stays,
        notes=list(preview.notes),
        needs_expected_count=must_type_count(preview.contacts),
        **_listed(_below(preview.ids, read_id(asked.after)), asked),
    )


def _below(ids: Sequence[int], after: int | None) -> Sequence[int]:
    return ids[ids.index(after) + 1 :] if after in ids else ids


def _listed(ids: Sequence[int], asked: ListedQuery) -> dict[str, Any]:
    """Return a page of the contacts that would move, from the first of `ids`, and what is next."""
    page = ids[: asked.limit]
    items = [
        MovingContact(
            id=one.id,
            started_at=one.started_at,
            channel=one.channel,
            disposition=one.disposition,
            text=one.words if asked.text else None,
        )
        for one in list_picked(db.session, page)
    ]
    return {"items": items, "next": str(page[-1]) if len(ids) > asked.limit else None}


def _preview_whole(key: str, asked: ListedQuery, look: Callable[..., Any]) -> PreviewOut:
    theme_id = find_theme(db.session, key).id
    preview = look(db.session, theme_id=theme_id, k=current_settings().privacy_k)
    return preview_out(preview, asked)


def _change_out(row: Change) -> ChangeOut:
    return ChangeOut(
        change=row.id,
        kind=row.kind,
        contacts=row.contacts,
        other_theme=row.other_key,
        is_source=row.is_source,
        described=list(row.fields),
        run=row.run,
        became=list(row.became),
        changed_by=row.changed_by,
        changed_at=row.changed_at,
        undone_by=row.undone_by,
        undone_at=row.undone_at,
    )
