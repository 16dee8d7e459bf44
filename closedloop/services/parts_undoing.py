"""Take back accepted parts of a run: every contact is where it was, whatever grew, shrank or split.

An emerging theme that was taken goes back the same way: the theme it became is the only piece.

As long as the model that accepting put in force is still the one in force, the model before it
comes back as it was, label by label. Once a later run made another one, the themes get back what
they were recognised by before, and everything else stays as that run left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.runs import PartState
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.models import (
    Contact,
    EmergingState,
    EmergingTheme,
    RunPart,
    Theme,
    ThemeChange,
    ThemeRun,
)
from closedloop.models.curation import ChangeKind
from closedloop.services.assignment import (
    HAS_TEXT,
    labels_at_hand,
    write_owners,
)
from closedloop.services.audit import record_event, record_on_theme
from closedloop.services.change_checks import (
    check_no_action,
    check_no_change_since,
    check_no_decision_since,
)
from closedloop.services.decisions import status_in_words
from closedloop.services.definitions import (
    ThemeMaker,
    changes_with_labels,
    get_theme_to_change,
    labels_of,
    own_maker,
    read_standing,
)
from closedloop.services.describing import OWNING, say_changed
from closedloop.services.evidence import renew_evidence
from closedloop.services.labelling import TextLabels
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.membership import places_of_themes
from closedloop.services.parts_ways import Way, find_way, themes_by_id
from closedloop.services.proposals import put_in_force, standing_merges
from closedloop.services.remaking import remake_history
from closedloop.services.repeats import take_turn

_MADE = ("before", "after", "became", "held")
"""What accepting wrote into the detail of a part."""


def undo_parts(
    transactions: Transactions,
    *,
    settings: Settings,
    change_id: int,
    by: Actor,
    report: Report = tell_nobody,
    maker: ThemeMaker | None = None,
) -> ThemeChange:
    """Take back what accepting parts of a run did to themes, all that were accepted together.

    The whole history is assigned anew, and only then do pages show it. The parts wait for a
    decision again where no later run took their place; so does an emerging theme that was taken.
    A job that finds them taken back by itself, because its worker died before saying so, does only
    what was left to do.

    Parameters
    ----------
    transactions : Transactions
    settings : Settings
    change_id : int
        Of any theme that was made anew.
    by : Actor
    report : Report
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    NotFound
    Conflict
        If it was undone before, or something was built on it since; the sentence says what.
    """
    maker = maker or own_maker()
    with transactions() as session:
        done = _find_done(session, change_id, by)
        if done is None:
            _read_changes(session, change_id)
    if done is not None:
        renew_evidence(transactions, settings=settings, report=report, maker=maker)
        return done
    return remake_history(
        transactions,
        settings=settings,
        plan=lambda session: find_way(session, maker, _read_changes(session, change_id)),
        apply=lambda session, way, texts: _apply(session, settings, change_id, way, texts, by),
        doing="Bringing all contacts under the definitions of before",
        refusal="People kept deciding about themes while this ran. Take it back again.",
        by=by,
        report=report,
        maker=maker,
    )


def _find_done(session: Session, change_id: int, by: Actor) -> ThemeChange | None:
    """Return what a job took back, when its worker died between that and saying so."""
    change = session.get(ThemeChange, change_id)
    is_mine = change is not None and by.kind is ActorKind.JOB and change.undone_by == by.name
    return change if is_mine and change and change.kind is ChangeKind.PARTS else None


def _read_changes(session: Session, change_id: int) -> list[ThemeChange]:
    """Return the changes of one acceptance, locked, the one that holds what they share first."""
    take_turn(session)
    asked = session.get(ThemeChange, change_id)
    if asked is None or asked.kind is not ChangeKind.PARTS:
        raise NotFound("There is no such change that took parts of a run over.")
    first = asked.detail.get("with", asked.id)
    rows = session.scalars(
        sa.select(ThemeChange)
        .where(ThemeChange.kind == ChangeKind.PARTS, ThemeChange.id >= first)
        .order_by(ThemeChange.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    changes = [row for row in rows if first in (row.id, row.detail.get("with"))]
    if changes[0].undone_at is not None:
        raise Conflict("This change has been undone already.")
    _check_free(session, changes)
    return changes


def _check_free(session: Session, changes: Sequence[ThemeChange]) -> None:
    """Refuse when something was built on it since."""
    last = changes[-1]
    for change in changes:
        theme = session.get_one(Theme, change.theme_id)
        if theme.status in GONE_STATUSES:
            raise Conflict(f"{theme.key} is {status_in_words(theme.status)} now. Undo that first.")
        check_no_change_since(session, last, {theme.id}, OWNING)
    so = (
        "What emerged can no longer be taken back; merge or retire the theme instead."
        if "emerging" in last.detail
        else "The part it came from can no longer be taken back."
    )
    for piece in themes_by_id(session, changes[0].detail["pieces"]):
        if piece.status is not ThemeStatus.CANDIDATE:
            raise Conflict(
                f"{piece.key} has moved on since: it is {status_in_words(piece.status)}. {so}"
            )
        check_no_change_since(session, last, {piece.id}, tuple(ChangeKind))
        check_no_decision_since(session, last, {piece.id})
        check_no_action(session, piece, so)


def _apply(
    session: Session,
    settings: Settings,
    change_id: int,
    way: Way,
    texts: TextLabels,
    by: Actor,
) -> ThemeChange | None:
    """Write everything; None when somebody decided something since the way was found."""
    if read_standing(session, lock=True) != way.standing:
        return None
    changes = _read_changes(session, change_id)
    detail = changes[0].detail
    themes = {change.theme_id for change in changes}
    for change in changes:
        change.undone_at, change.undone_by = utc_now(), by.name
    if way.is_whole:
        _bring_back_candidates(session, changes[0], by)
    _retire_pieces(session, changes[0])
    keys = " and ".join(theme.key for theme in themes_by_id(session, themes))
    with labels_at_hand(session, texts):
        write_owners(session, way.owners)
        put_in_force(
            session,
            settings=settings,
            model=way.content,
            encoder=way.encoder,
            owners=way.owners,
            run_id=detail.get("set_run", detail["run"]),
            reason=f"{keys}: {_say_taken_back(detail)}",
            changed={
                theme: labels_of(way.owners, theme)
                for theme in sorted(themes - set(detail["pieces"]))
            },
            relabel=way.relabel,
            joined=way.joined,
            settle=partial(_settle, session, way, changes),
        )
    _reopen_parts(session, changes)
    _let_emerge_again(session, detail)
    for change in changes:
        _record(session, change, by)
    session.flush()
    return session.get_one(ThemeChange, change_id)


def _say_taken_back(detail: Mapping[str, Any]) -> str:
    if "emerging" in detail:
        return "the taking of what emerged taken back"
    return f"parts of run {detail['run']} taken back"


def _settle(session: Session, way: Way, changes: Sequence[ThemeChange]) -> None:
    """Put back what labels cannot say: contacts without text, and what changes name."""
    pieces, home = changes[0].detail["pieces"], changes[0].theme_id
    session.execute(
        sa.update(Contact)
        .where(~HAS_TEXT, Contact.theme_id.in_(pieces))
        .values(theme_id=None if home in pieces else home)
        .execution_options(synchronize_session=False)
    )
    if not way.is_whole:
        return
    if values := _without_text(session, way, changes[0].detail):
        session.execute(sa.update(Contact), values)
    _name_labels_again(session, changes[0].detail)


def _without_text(session: Session, way: Way, detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return where contacts were whose words cannot say it: gone by then, or expired since.

    A theme that was merged since is the one it was merged into, one that was retired none.
    """
    places = places_of_themes(session)
    wordless: dict[int, tuple[Any, ...]] = {
        contact: (cluster, places.get(theme) or None, confidence)
        for contact, cluster, theme, confidence in detail["wordless"]
    }
    for contact, cluster, confidence in detail.get("movers", ()):
        theme = way.owners[cluster] if cluster >= 0 else None
        wordless[contact] = (cluster, theme, confidence)
    if not wordless:
        return []
    still = session.scalars(sa.select(Contact.id).where(~HAS_TEXT).order_by(Contact.id))
    names = ("cluster", "theme_id", "theme_confidence")
    return [
        {"id": contact, **dict(zip(names, wordless[contact], strict=True))}
        for contact in still
        if contact in wordless
    ]


def _name_labels_again(session: Session, detail: Mapping[str, Any]) -> None:
    """Let merges and changes that stood then name the labels of then."""
    for merge in standing_merges(session):
        if (labels := detail["merges"].get(str(merge.id))) is not None:
            merge.detail = {**merge.detail, "labels": labels}
    for change in changes_with_labels(session):
        if named := detail["changes"].get(str(change.id)):
            change.detail = {**change.detail, **named}


def _bring_back_candidates(session: Session, change: ThemeChange, by: Actor) -> None:
    for theme in themes_by_id(session, change.detail["absorbed"]):
        if theme.status is ThemeStatus.RETIRED:
            theme.status = ThemeStatus.CANDIDATE
            summary = f"brought the candidate {theme.key} {theme.name} back: what took it over was"
            record_on_theme(
                session,
                by,
                theme,
                "themes.brought_back",
                f"{summary} taken back",
                {"change": change.id},
            )


def _retire_pieces(session: Session, change: ThemeChange) -> None:
    for piece_id in change.detail["pieces"]:
        get_theme_to_change(session, piece_id).status = ThemeStatus.RETIRED


def _reopen_parts(session: Session, changes: Sequence[ThemeChange]) -> None:
    """Let the parts wait for a decision again, if no later run took their place."""
    ids = [part for change in changes for part in change.detail["parts"]]
    newest = session.scalar(sa.select(sa.func.max(ThemeRun.id)))
    for part in session.scalars(sa.select(RunPart).where(RunPart.id.in_(ids))):
        part.state = PartState.PROPOSED if part.run_id == newest else PartState.SUPERSEDED
        part.decided_by, part.decided_at = "", None
        part.detail = {name: value for name, value in part.detail.items() if name not in _MADE}


def _let_emerge_again(session: Session, detail: Mapping[str, Any]) -> None:
    """Let an emerging theme that was taken wait for a decision as it did before."""
    row = session.get(EmergingTheme, detail.get("emerging", 0))
    if row is not None:
        row.state, row.theme_id = EmergingState(detail["state"]), None
        row.decided_by, row.decided_at = "", None


def _record(session: Session, change: ThemeChange, by: Actor) -> None:
    theme = session.get_one(Theme, change.theme_id)
    record_event(
        session,
        by=by,
        verb="themes.change_undone",
        target_kind="theme",
        target_id=theme.id,
        summary=f"took back that {theme.key} {theme.name} was {say_changed(change)}",
        detail={"change": change.id, "run": change.detail["run"], "parts": change.detail["parts"]},
    )
