"""Take a change of a theme back: every contact, label and figure is as it was before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.jobs import JobKind
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.models import (
    Contact,
    Job,
    Theme,
    ThemeChange,
    ThemeCorrection,
    TriageDecision,
)
from closedloop.models.curation import ChangeKind
from closedloop.services.audit import record_on_themes
from closedloop.services.bulk import among
from closedloop.services.change_checks import (
    check_no_action,
    check_no_change_since,
    check_no_decision_since,
    check_not_written_since,
    themes_of,
)
from closedloop.services.decisions import status_in_words
from closedloop.services.definitions import (
    ThemeMaker,
    change_owners,
    find_current_set,
    get_theme_to_change,
    own_maker,
)
from closedloop.services.describing import OWNING, say_changed
from closedloop.services.jobs import queue_job
from closedloop.services.membership import STANDS, hold_corrections, settle_contacts, with_text
from closedloop.services.repeats import take_turn
from closedloop.services.retiring import give_back_labels, take_labels
from closedloop.services.theme_stats import renew_stats_of_last_day

_UNDONE = "This change has been undone already."
_MOVING = (ChangeKind.SPLIT, ChangeKind.MOVE, ChangeKind.RETIRE, ChangeKind.RESTORE)


@dataclass(frozen=True)
class _Undoing:
    """A change that is being taken back, and its theme, locked."""

    session: Session
    settings: Settings
    change: ThemeChange
    theme: Theme
    maker: ThemeMaker | None


@dataclass(frozen=True)
class TakenBack:
    """A change that was taken back, or will be by a job."""

    change: ThemeChange
    job: Job | None


def take_back(session: Session, *, settings: Settings, change_id: int, by: Actor) -> TakenBack:
    """Take a change back at once; parts of a run by a job, which assigns all contacts anew.

    Raises
    ------
    NotFound
    Conflict
        As for `undo_change`; what a job finds is said where jobs are.
    """
    change = session.get(ThemeChange, change_id)
    if change is None or change.kind is not ChangeKind.PARTS:
        done = undo_change(session, settings=settings, change_id=change_id, by=by)
        return TakenBack(done, None)
    if change.undone_at is not None:
        raise Conflict(_UNDONE)
    arguments = {"undo_parts": change_id}
    job = queue_job(session, kind=JobKind.ASSIGN_THEMES, arguments=arguments, by=by)
    return TakenBack(change, job)


def undo_change(
    session: Session,
    *,
    settings: Settings,
    change_id: int,
    by: Actor,
    maker: ThemeMaker | None = None,
) -> ThemeChange:
    """Take a change back; contacts that came in since go where they would have gone without it.

    Parameters
    ----------
    settings : Settings
    change_id : int
    by : Actor
    maker : ThemeMaker, optional
        Reads the model whose split is taken back; tests pass a small one.

    Raises
    ------
    NotFound
    Conflict
        If it was undone before, or something was built on it since; the sentence says what.
    """
    take_turn(session)
    change = session.get(ThemeChange, change_id, with_for_update=True, populate_existing=True)
    if change is None:
        raise NotFound("There is no such change.")
    if change.undone_at is not None:
        raise Conflict(_UNDONE)
    if change.kind is ChangeKind.PARTS:
        raise Conflict(
            "Taking back parts of a run assigns all contacts anew, and is done by a job. Undo it "
            "on the page of the theme's changes, or with `closedloop themes undo`."
        )
    theme = get_theme_to_change(session, change.theme_id)
    _UNDO[change.kind](_Undoing(session, settings, change, theme, maker))
    hold_corrections(session, settings=settings)
    summary = f"took back that {theme.key} {theme.name} was {say_changed(change)}"
    change.undone_by = by.name
    detail = {"change": change.id}
    record_on_themes(session, by, themes_of(change), "themes.change_undone", summary, detail)
    renew_stats_of_last_day(session)
    session.flush()
    return change


def _undo_move(it: _Undoing) -> None:
    session, change = it.session, it.change
    _check_last_word(session, change, it.theme)
    ids = _take_back(session, change)
    settle_contacts(session, settings=it.settings, ids=ids, loose=change.detail["loose"])


def _undo_split(it: _Undoing) -> None:
    session, change, theme = it.session, it.change, it.theme
    new = get_theme_to_change(session, change.other_id or 0)
    if new.status is not ThemeStatus.CANDIDATE:
        raise Conflict(
            f"{new.key} has moved on since: it is {status_in_words(new.status)}. "
            "The split can no longer be undone."
        )
    if theme.status in GONE_STATUSES:
        raise Conflict(f"{theme.key} is {theme.status.value} now. Undo that first.")
    check_no_change_since(session, change, {new.id}, _MOVING)
    check_no_change_since(session, change, {theme.id}, OWNING)
    check_no_decision_since(session, change, {new.id})
    check_no_action(session, new, "The split can no longer be undone.")
    ids = set(session.scalars(sa.select(Contact.id).where(Contact.theme_id == new.id)))
    _rejoin(session, change, theme, new, it.maker or own_maker())
    new.status = ThemeStatus.RETIRED
    ids |= set(_take_back(session, change))
    settle_contacts(session, settings=it.settings, ids=ids, loose=change.detail["loose"])


def _rejoin(
    session: Session, change: ThemeChange, theme: Theme, new: Theme, maker: ThemeMaker
) -> None:
    """Give the labels of a split back, and those that it made up."""
    current = find_current_set(session, with_model=True)
    branches, passed = change.detail["branches"], change.detail["passed"]
    made = [label for _, label in branches]
    owned = {} if current is None else dict(enumerate(current.label_themes))
    whose = {label for label, owner in owned.items() if owner == new.id}
    if whose != {*made, *passed} or len(whose) != change.detail["parts"]:
        raise Conflict(
            f"Another definition says what {new.key} is now. The split can no longer be undone; "
            f"merge {new.key} into {theme.key} instead."
        )
    if current is None or not (made or passed):
        return
    try:
        model = maker.read_model(current.model).rejoin(made)
    except ValueError:
        raise Conflict(f"{new.key} was split again since. Undo that first.") from None
    owners = [
        theme.id if label in passed else None if label in made else owner
        for label, owner in owned.items()
    ]
    for source, label in branches:
        session.execute(
            sa.update(Contact)
            .where(Contact.cluster == label)
            .values(cluster=source)
            .execution_options(synchronize_session=False)
        )
    change_owners(
        session,
        current=current,
        owners=owners[: model.n_themes],
        changed=(theme.id,),
        reason=f"Split of {new.key} off {theme.key} undone",
        model=model.to_bytes(),
    )


def _undo_retire(it: _Undoing) -> None:
    session, change, theme = it.session, it.change, it.theme
    if theme.status is not ThemeStatus.RETIRED:
        raise Conflict(f"{theme.key} was brought back already.")
    check_no_change_since(session, change, {theme.id}, OWNING)
    change.undone_at = utc_now()
    give_back_labels(session, settings=it.settings, theme=theme, retire=change)


def _undo_restore(it: _Undoing) -> None:
    session, change, theme = it.session, it.change, it.theme
    if theme.status != change.detail["status"]:
        raise Conflict(
            f"{theme.key} has moved on since: it is {status_in_words(theme.status)}. "
            "Its return can no longer be undone; retire it anew."
        )
    check_no_change_since(session, change, {theme.id}, _MOVING)
    check_no_decision_since(session, change, {theme.id})
    retire = session.get_one(ThemeChange, change.detail["retire"])
    ids = list(session.scalars(sa.select(Contact.id).where(Contact.theme_id == theme.id)))
    retire.detail = {**retire.detail, **take_labels(session, theme, ids)}
    theme.status = ThemeStatus.RETIRED
    change.undone_at = utc_now()
    settle_contacts(session, settings=it.settings, ids=ids)


def _undo_describe(it: _Undoing) -> None:
    change, theme = it.change, it.theme
    before, after = change.detail["before"], change.detail["after"]
    check_not_written_since(it.session, change, theme)
    for name, value in before.items():
        if name != "status":
            setattr(theme, name, value)
        elif theme.status == after["status"]:
            theme.status = ThemeStatus(value)
        else:
            _lead_status_past(it.session, change)
    change.undone_at = utc_now()


def _lead_status_past(session: Session, change: ThemeChange) -> None:
    """Let what put the theme out of the way since be taken back to its status before a text."""
    stood, written = (change.detail[when]["status"] for when in ("before", "after"))
    retired = session.scalars(
        sa.select(ThemeChange).where(
            ThemeChange.theme_id == change.theme_id,
            ThemeChange.id > change.id,
            ThemeChange.kind == ChangeKind.RETIRE,
            ThemeChange.undone_at.is_(None),
        )
    )
    for later in retired:
        if later.detail["status"] == written:
            later.detail = {**later.detail, "status": stood}
    decided = session.scalars(
        sa.select(TriageDecision).where(
            TriageDecision.theme_id == change.theme_id,
            TriageDecision.id > change.detail["last_decision"],
            TriageDecision.undone_at.is_(None),
        )
    )
    for decision in decided:
        if decision.before["status"] == written:
            decision.before = {**decision.before, "status": stood}


_UNDO: dict[ChangeKind, Callable[[_Undoing], None]] = {
    ChangeKind.MOVE: _undo_move,
    ChangeKind.SPLIT: _undo_split,
    ChangeKind.RETIRE: _undo_retire,
    ChangeKind.RESTORE: _undo_restore,
    ChangeKind.DESCRIBE: _undo_describe,
}


def _take_back(session: Session, change: ThemeChange) -> list[int]:
    """Take back what was said with a change; return all contacts that it was said of."""
    change.undone_at = utc_now()
    rows = session.execute(
        sa.select(ThemeCorrection.contact_id, ThemeCorrection.text_hash)
        .distinct()
        .where(ThemeCorrection.change_id == change.id)
    ).all()
    session.execute(
        sa.update(ThemeCorrection)
        .where(ThemeCorrection.change_id == change.id)
        .values(taken_back_at=change.undone_at)
        .execution_options(synchronize_session=False)
    )
    hashes = sorted({text_hash for _, text_hash in rows if text_hash})
    of_contacts = among(session, Contact.id, sorted({contact for contact, _ in rows}))
    meant = sa.or_(of_contacts, with_text(session, hashes))
    return list(session.scalars(sa.select(Contact.id).where(meant)))


def _check_last_word(session: Session, change: ThemeChange, theme: Theme) -> None:
    """Refuse to take back a move of contacts about which something else was said since."""
    # Not by the numbers of rows: what was said earlier is put down again when a text expires.
    is_later = sa.func.coalesce(ThemeCorrection.change_id, 0) > change.id
    mine = sa.orm.aliased(ThemeCorrection)
    later = session.execute(
        sa.select(ThemeCorrection.said_by)
        .join(
            mine,
            sa.or_(
                mine.contact_id == ThemeCorrection.contact_id,
                sa.and_(mine.text_hash != "", mine.text_hash == ThemeCorrection.text_hash),
            ),
        )
        .where(
            mine.change_id == change.id,
            is_later,
            STANDS,
        )
        .order_by(ThemeCorrection.id)
        .limit(1)
    ).first()
    if later is not None:
        raise Conflict(
            f"{later[0]} said something else about contacts that left {theme.key} since. "
            "Undo that change first."
        )
