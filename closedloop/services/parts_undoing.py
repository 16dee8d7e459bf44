"""Take back accepted parts of a run: every contact is where it was, whatever grew, shrank or split.

As long as the model that accepting put in force is still the one in force, the model before it
comes back as it was, label by label. Once a later run made another one, the themes get back what
they were recognised by before, and everything else stays as that run left it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, undefer

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.jobs import Progress
from closedloop.domain.runs import PartState
from closedloop.domain.themes import GONE_STATUSES, ThemeStatus
from closedloop.models import Contact, DefinitionSet, RunPart, Theme, ThemeChange, ThemeRun
from closedloop.models.curation import ChangeKind
from closedloop.services.assignment import (
    HAS_TEXT,
    TRIES,
    TextLabels,
    bring_up_to_date,
    label_texts,
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
    LabelThemes,
    Model,
    Standing,
    ThemeMaker,
    changes_with_labels,
    find_current_set,
    get_theme_to_change,
    labels_of,
    own_maker,
    read_standing,
)
from closedloop.services.describing import CHANGED, OWNING
from closedloop.services.evidence import renew_evidence
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.proposals import put_in_force, standing_merges
from closedloop.services.repeats import take_turn

_MADE = ("before", "after", "became", "held")
"""What accepting wrote into the detail of a part."""


@dataclass(frozen=True)
class _Way:
    """A set to put in force so that themes are what they were.

    Attributes
    ----------
    relabel : dict of int to int
        Labels of today that stay, to those of the set.
    joined : dict of int to int
        Labels that go, to one of the theme they came from.
    is_whole : bool
        The set before comes back label by label.
    """

    standing: Standing
    model: Model
    content: bytes
    encoder: str
    owners: LabelThemes
    relabel: dict[int, int]
    joined: dict[int, int]
    is_whole: bool


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
    decision again where no later run took their place.

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
        _read_changes(session, change_id)
    encoder = maker.load_encoder(settings.encoder)
    bring_up_to_date(transactions, settings=settings, by=by, report=report, maker=maker)
    for _ in range(TRIES):
        with transactions() as session:
            way = _find_way(session, maker, _read_changes(session, change_id))
        texts = label_texts(transactions, encoder=encoder.name, model=way.model, report=report)
        report(Progress(0, 0, "Bringing all contacts under the definitions of before"))
        with transactions() as session:
            change = _apply(session, settings, change_id, way, texts, by)
        if change is not None:
            renew_evidence(transactions, settings=settings, report=report, maker=maker)
            return change
    raise Conflict("People kept deciding about themes while this ran. Take it back again.")


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
    for piece in _themes(session, changes[0].detail["pieces"]):
        if piece.status is not ThemeStatus.CANDIDATE:
            raise Conflict(
                f"{piece.key} has moved on since: it is {status_in_words(piece.status)}. "
                "The part it came from can no longer be taken back."
            )
        check_no_change_since(session, last, {piece.id}, tuple(ChangeKind))
        check_no_decision_since(session, last, {piece.id})
        check_no_action(session, piece, "The part it came from can no longer be taken back.")


def _themes(session: Session, ids: Iterable[int]) -> Sequence[Theme]:
    query = sa.select(Theme).where(Theme.id.in_(list(ids))).order_by(Theme.id)
    return session.scalars(query.execution_options(populate_existing=True)).all()


def _find_way(session: Session, maker: ThemeMaker, changes: Sequence[ThemeChange]) -> _Way:
    current = find_current_set(session, with_model=True)
    detail = changes[0].detail
    made, before = (_read_set(session, detail[name]) for name in ("acceptance", "before"))
    if current is None or current.encoder != before.encoder:
        raise Conflict(
            "The themes in force were defined with another encoder since. "
            "This can no longer be taken back."
        )
    _check_labels(session, current, changes)
    standing = read_standing(session)
    if current.model == made.model:
        return _whole_way(session, maker, standing, current, before, changes)
    return _partial_way(maker, standing, current, before, changes)


def _read_set(session: Session, set_id: int) -> DefinitionSet:
    return session.get_one(DefinitionSet, set_id, options=[undefer(DefinitionSet.model)])


def _check_labels(session: Session, current: DefinitionSet, changes: Sequence[ThemeChange]) -> None:
    for change in changes:
        labels = change.detail["labels"]
        if not labels or not set(labels) <= set(labels_of(current.label_themes, change.theme_id)):
            key = session.get_one(Theme, change.theme_id).key
            raise Conflict(
                f"Another definition says what {key} is now. This can no longer be taken back; "
                "look for themes again, and decide about the parts of that run."
            )


def _whole_way(
    session: Session,
    maker: ThemeMaker,
    standing: Standing,
    current: DefinitionSet,
    before: DefinitionSet,
    changes: Sequence[ThemeChange],
) -> _Way:
    """Return the way back to the set before, with what people decided about other themes since."""
    detail = changes[0].detail
    owners = list(before.label_themes)
    for old, new in detail["relabel"]:
        owners[old] = current.label_themes[new]
    found = _themes(session, detail["absorbed"])
    lost = {theme.id for theme in found if theme.status is not ThemeStatus.RETIRED}
    owners = [None if owner in lost else owner for owner in owners]
    homes = {change.id: change.detail["old"][0] for change in changes if change.detail["old"]}
    return _Way(
        standing=standing,
        model=maker.read_model(before.model),
        content=before.model,
        encoder=before.encoder,
        owners=owners,
        relabel={new: old for old, new in detail["relabel"]},
        joined=_joined(changes, homes, current),
        is_whole=True,
    )


def _partial_way(
    maker: ThemeMaker,
    standing: Standing,
    current: DefinitionSet,
    before: DefinitionSet,
    changes: Sequence[ThemeChange],
) -> _Way:
    """Return the way to what is in force, but for the themes of the parts."""
    pieces = set(changes[0].detail["pieces"])
    goes = {label for change in changes for label in change.detail["labels"]}
    label_themes = current.label_themes
    stays = [
        label
        for label, theme in enumerate(label_themes)
        if label not in goes and theme not in pieces
    ]
    back = [(label, change) for change in changes for label in change.detail["old"]]
    homes: dict[int, int] = {}
    for place, (_, change) in enumerate(back):
        homes.setdefault(change.id, len(stays) + place)
    models = [maker.read_model(current.model).restrict(stays)] if stays else []
    models.append(maker.read_model(before.model).restrict([label for label, _ in back]))
    model = maker.combine(models)
    return _Way(
        standing=standing,
        model=model,
        content=model.to_bytes(),
        encoder=before.encoder,
        owners=[label_themes[label] for label in stays] + [c.theme_id for _, c in back],
        relabel={old: new for new, old in enumerate(stays)},
        joined=_joined(changes, homes, current),
        is_whole=False,
    )


def _joined(
    changes: Sequence[ThemeChange], homes: Mapping[int, int], current: DefinitionSet
) -> dict[int, int]:
    """Return where contacts without text go whose label goes: home to its theme."""
    joined = {
        label: homes[change.id]
        for change in changes
        if change.id in homes
        for label in change.detail["labels"]
    }
    home = next(iter(homes.values()), None)
    if home is not None:
        pieces = changes[0].detail["pieces"]
        joined |= {
            label: home for label, owner in enumerate(current.label_themes) if owner in pieces
        }
    return joined


def _apply(
    session: Session,
    settings: Settings,
    change_id: int,
    way: _Way,
    texts: TextLabels,
    by: Actor,
) -> ThemeChange | None:
    """Write everything; None when somebody decided something since the way was found."""
    if read_standing(session, lock=True) != way.standing:
        return None
    changes = _read_changes(session, change_id)
    themes = {change.theme_id for change in changes}
    for change in changes:
        change.undone_at, change.undone_by = utc_now(), by.name
    if way.is_whole:
        _bring_back_candidates(session, changes[0], by)
    _retire_pieces(session, changes[0])
    keys = " and ".join(theme.key for theme in _themes(session, themes))
    with labels_at_hand(session, texts):
        write_owners(session, way.owners)
        put_in_force(
            session,
            settings=settings,
            model=way.content,
            encoder=way.encoder,
            owners=way.owners,
            run_id=changes[0].detail["run"],
            reason=f"{keys}: parts of run {changes[0].detail['run']} taken back",
            changed={theme: labels_of(way.owners, theme) for theme in sorted(themes)},
            relabel=way.relabel,
            joined=way.joined,
            settle=partial(_settle, session, way, changes),
        )
    _reopen_parts(session, changes)
    for change in changes:
        _record(session, change, by)
    session.flush()
    return session.get_one(ThemeChange, change_id)


def _settle(session: Session, way: _Way, changes: Sequence[ThemeChange]) -> None:
    """Put back what labels cannot say: contacts without text, and what changes name."""
    pieces = changes[0].detail["pieces"]
    session.execute(
        sa.update(Contact)
        .where(~HAS_TEXT, Contact.theme_id.in_(pieces))
        .values(theme_id=changes[0].theme_id)
        .execution_options(synchronize_session=False)
    )
    if not way.is_whole:
        return
    wordless = changes[0].detail["wordless"]
    still = set(session.scalars(sa.select(Contact.id).where(~HAS_TEXT))) if wordless else set()
    values = [
        {"id": contact, "cluster": cluster, "theme_id": theme, "theme_confidence": confidence}
        for contact, cluster, theme, confidence in wordless
        if contact in still
    ]
    if values:
        session.execute(sa.update(Contact), values)
    _name_labels_again(session, changes[0].detail)


def _name_labels_again(session: Session, detail: Mapping[str, Any]) -> None:
    """Let merges and changes that stood then name the labels of then."""
    for merge in standing_merges(session):
        if (labels := detail["merges"].get(str(merge.id))) is not None:
            merge.detail = {**merge.detail, "labels": labels}
    for change in changes_with_labels(session):
        if named := detail["changes"].get(str(change.id)):
            change.detail = {**change.detail, **named}


def _bring_back_candidates(session: Session, change: ThemeChange, by: Actor) -> None:
    for theme in _themes(session, change.detail["absorbed"]):
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


def _record(session: Session, change: ThemeChange, by: Actor) -> None:
    theme = session.get_one(Theme, change.theme_id)
    record_event(
        session,
        by=by,
        verb="themes.change_undone",
        target_kind="theme",
        target_id=theme.id,
        summary=f"took back: {theme.key} {theme.name} {CHANGED[change.kind]}",
        detail={"change": change.id, "run": change.detail["run"], "parts": change.detail["parts"]},
    )
