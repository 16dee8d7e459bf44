"""Definition sets: what belongs to which theme, who decided about it, and what makes models.

A set holds a model, whose labels are 0, 1, …, and the theme each label belongs to. Discovery
and triage write a new set; nothing else changes what a contact is counted under.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.orm import Session, undefer

from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.themes import AGREED_STATUSES, ThemeStatus
from closedloop.models import (
    Action,
    Contact,
    ContactText,
    DefinitionSet,
    Theme,
    ThemeChange,
    ThemeCorrection,
    ThemeDefinition,
    TriageDecision,
)
from closedloop.models.curation import ChangeKind
from closedloop.services.repeats import take_turn
from ml.text.embed import Encoder, load_encoder
from ml.text.spoken import TEXTS_ASKED, languages_of, main_languages

LabelThemes = list[int | None]


class Model(Protocol):
    """What says which label a vector has; `ml.themes.ThemeModel` is one."""

    @property
    def n_themes(self) -> int:
        """Labels are 0 to n_themes - 1."""
        ...

    def assign(
        self, vectors: NDArray[np.float32], /
    ) -> tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]:
        """Return labels (n,), -1 for none, and confidence (n,) in 0–1."""
        ...

    def restrict(self, labels: Sequence[int], /) -> Model:
        """Return a model of these labels only, renumbered 0, 1, … in the order given."""
        ...

    def prototypes(self, label: int, /) -> NDArray[np.float32]:
        """Return (n_prototypes, dimensions): what texts of the label look like."""
        ...

    def branch(
        self, label: int, /, *, members: NDArray[np.float32], examples: NDArray[np.float32]
    ) -> Model:
        """Return a model in which texts of the label like the examples have the next label.

        Raises ValueError when all of them are like the examples.
        """
        ...

    def rejoin(self, labels: Sequence[int], /) -> Model:
        """Return a model in which labels that `branch` made are part of theirs again."""
        ...

    def nearness(self, vectors: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Return (n, n_themes): how near each text is to each label; from 1 on near enough."""
        ...

    def to_bytes(self) -> bytes:
        """Return what `read_model` reads back."""
        ...


@dataclass(frozen=True)
class ThemeMaker:
    """What finds themes and reads their models; tests hand in a small one.

    Attributes
    ----------
    load_encoder : callable
        Name of the setting to `Encoder`.
    discover : callable
        As `ml.themes.discover_themes`.
    read_model : callable
        Bytes to `Model`.
    combine : callable
        Models to one, the labels of each shifted by how many came before; with in_turn later
        ones only get what earlier ones do not claim.
    """

    load_encoder: Callable[[str], Encoder]
    discover: Callable[..., Any]
    read_model: Callable[[bytes], Model]
    combine: Callable[..., Model]


def own_maker() -> ThemeMaker:
    """Return the maker that real data meet."""
    # Imported here: web workers that never discover need not load scipy.
    from ml.themes import ThemeModel, discover_themes

    return ThemeMaker(load_encoder, discover_themes, ThemeModel.from_bytes, ThemeModel.combine)


@dataclass(frozen=True)
class Standing:
    """Which definitions are in force, and which themes people have decided about.

    Attributes
    ----------
    set_id, run_id : int or None
        Of the current set; None before the first discovery.
    encoder : str
        Exact name; empty before the first discovery.
    label_themes : tuple of int or None
    kept : frozenset of int
        Themes that people decided something about: agreed, dismissed, renamed, merged
        into, acted on, curated.
    waiting : frozenset of int
        Candidates that nobody has touched; only these may a run replace.
    retired : frozenset of int
        Labels of themes that people retired: they belong to nobody, and stay recognised.
    """

    set_id: int | None
    run_id: int | None
    encoder: str
    label_themes: tuple[int | None, ...]
    kept: frozenset[int]
    waiting: frozenset[int]
    retired: frozenset[int] = frozenset()

    @property
    def kept_labels(self) -> list[int]:
        """Labels of the kept and of the retired themes, rising."""
        return [
            label
            for label, theme in enumerate(self.label_themes)
            if theme in self.kept or label in self.retired
        ]


def find_current_set(session: Session, *, with_model: bool = False) -> DefinitionSet | None:
    """Return the definition set in force, None before the first discovery."""
    query = sa.select(DefinitionSet).where(DefinitionSet.is_current)
    if with_model:
        query = query.options(undefer(DefinitionSet.model))
    return session.scalar(query.execution_options(populate_existing=True))


def get_theme_to_change(session: Session, theme_id: int) -> Theme:
    """Return a theme, locked until the transaction ends.

    Raises
    ------
    NotFound
    """
    theme = session.get(Theme, theme_id, with_for_update=True, populate_existing=True)
    if theme is None:
        raise NotFound("There is no such theme.")
    return theme


def read_standing(session: Session, *, lock: bool = False) -> Standing:
    """Return where definitions and decisions stand.

    With `lock`, nobody changes them, and nobody writes contacts, until the transaction ends.
    """
    if lock:
        take_turn(session)
    touched = sa.or_(
        Theme.is_named_by_person,
        Theme.is_driver_by_person,
        Theme.cause != "",
        Theme.id.in_(sa.select(TriageDecision.theme_id).where(TriageDecision.undone_at.is_(None))),
        Theme.id.in_(sa.select(Theme.merged_into_id).where(Theme.merged_into_id.is_not(None))),
        Theme.id.in_(sa.select(Action.theme_id)),
        *_curated(),
    )
    undecided = Theme.status.in_((ThemeStatus.CANDIDATE, ThemeStatus.RETIRED))
    is_kept = sa.or_(Theme.status.in_(AGREED_STATUSES), sa.and_(undecided, touched))
    query = sa.select(Theme.id, Theme.status, is_kept).order_by(Theme.id)
    rows = session.execute(query.with_for_update() if lock else query).all()
    current = find_current_set(session)
    return Standing(
        set_id=current.id if current else None,
        run_id=current.run_id if current else None,
        encoder=current.encoder if current else "",
        label_themes=tuple(current.label_themes) if current else (),
        kept=frozenset(theme for theme, _, kept in rows if kept),
        waiting=frozenset(
            theme for theme, status, kept in rows if not kept and status == ThemeStatus.CANDIDATE
        ),
        retired=frozenset(chain.from_iterable(retired_labels(session).values())),
    )


def _curated() -> Iterator[sa.ColumnElement[bool]]:
    """Yield what tells that somebody changed a theme outside triage."""
    changes = ThemeChange.undone_at.is_(None)
    yield Theme.id.in_(sa.select(ThemeChange.theme_id).where(changes))
    yield Theme.id.in_(
        sa.select(ThemeChange.other_id).where(changes, ThemeChange.other_id.is_not(None))
    )
    yield Theme.id.in_(
        sa.select(ThemeCorrection.theme_id).where(ThemeCorrection.taken_back_at.is_(None))
    )


def retired_labels(session: Session) -> dict[int, list[int]]:
    """Return the themes that somebody retired, with the labels that were theirs.

    Their contacts are in no theme, but stay recognised, so that no run proposes them again.
    """
    newest = (
        sa.select(sa.func.max(ThemeChange.id))
        .where(
            ThemeChange.kind.in_((ChangeKind.RETIRE, ChangeKind.RESTORE)),
            ThemeChange.undone_at.is_(None),
        )
        .group_by(ThemeChange.theme_id)
    )
    rows = session.execute(
        sa.select(ThemeChange.theme_id, ThemeChange.detail)
        .join(Theme, Theme.id == ThemeChange.theme_id)
        .where(
            ThemeChange.id.in_(newest),
            ThemeChange.kind == ChangeKind.RETIRE,
            Theme.status == ThemeStatus.RETIRED,
        )
        .order_by(ThemeChange.theme_id)
    )
    return {theme: list(detail.get("labels", ())) for theme, detail in rows}


def check_encoder(standing_encoder: str, encoder: Encoder) -> None:
    """Refuse to compare vectors of one encoder with definitions made with another.

    Raises
    ------
    Conflict
    """
    if standing_encoder and standing_encoder != encoder.name:
        raise Conflict(
            f"The themes in force were defined with the encoder {standing_encoder}, and "
            f"CLOSEDLOOP_ENCODER now names {encoder.name}. Contacts cannot be compared across "
            "encoders: set CLOSEDLOOP_ENCODER back to the one the themes were defined with."
        )


def relabel_changes(session: Session, relabel: Mapping[int, int]) -> None:
    """Renumber the labels that changes name, so that the changes can still be undone."""
    for change in changes_with_labels(session):
        detail = dict(change.detail)
        for name in ("labels", "passed"):
            if name in detail:
                detail[name] = [relabel[label] for label in detail[name] if label in relabel]
        if "branches" in detail:
            detail["branches"] = [
                [relabel[source], relabel[new]]
                for source, new in detail["branches"]
                if source in relabel and new in relabel
            ]
        change.detail = detail


def changes_with_labels(session: Session) -> Sequence[ThemeChange]:
    """Return the changes that stand and name labels of the set in force."""
    return session.scalars(
        sa.select(ThemeChange)
        .where(
            ThemeChange.kind.in_((ChangeKind.SPLIT, ChangeKind.RETIRE, ChangeKind.PARTS)),
            ThemeChange.undone_at.is_(None),
        )
        .order_by(ThemeChange.id)
    ).all()


def labels_of(label_themes: Sequence[int | None], theme_id: int) -> list[int]:
    """Return the labels that belong to a theme, rising."""
    return [label for label, theme in enumerate(label_themes) if theme == theme_id]


def add_set(
    session: Session,
    *,
    model: bytes,
    encoder: str,
    label_themes: LabelThemes,
    run_id: int | None,
    reason: str,
) -> DefinitionSet:
    """Put a new set in force; the caller has brought the whole history under it.

    Sets that share a model carry the run it comes from, so `run_id` names the model.
    """
    now = utc_now()
    number = session.scalar(sa.select(sa.func.max(DefinitionSet.number))) or 0
    session.execute(
        sa.update(DefinitionSet).where(DefinitionSet.is_current).values(is_current=False)
    )
    new = DefinitionSet(
        number=number + 1,
        run_id=run_id,
        encoder=encoder,
        model=model,
        label_themes=label_themes,
        is_current=True,
        assigned_at=now,
        reason=reason[:200],
    )
    session.add(new)
    session.flush()  # definitions refer to its id
    return new


def change_owners(
    session: Session,
    *,
    current: DefinitionSet,
    owners: LabelThemes,
    changed: Sequence[int],
    reason: str,
    model: bytes | None = None,
) -> DefinitionSet:
    """Put a set in force in which labels belong to others; themes that changed are defined anew.

    Parameters
    ----------
    current : DefinitionSet
        In force until now, with its model.
    owners : list of int or None
        Theme of each label.
    changed : sequence of int
        Themes that get their next numbered definition.
    reason : str
    model : bytes, optional
        By default that of the current set.
    """
    new = add_set(
        session,
        model=current.model if model is None else model,
        encoder=current.encoder,
        label_themes=owners,
        run_id=current.run_id,
        reason=reason,
    )
    for theme_id in changed:
        define(session, theme_id=theme_id, set_id=new.id, labels=labels_of(owners, theme_id))
    return new


def define(session: Session, *, theme_id: int, set_id: int, labels: Sequence[int]) -> int:
    """Give a theme its next numbered definition and return the number, from 1.

    Its languages are those of contacts that have these labels by now, or, where no text of them
    is kept, those of the definition before.
    """
    last = session.execute(
        sa.select(ThemeDefinition.number, ThemeDefinition.languages)
        .where(ThemeDefinition.theme_id == theme_id)
        .order_by(ThemeDefinition.number.desc())
        .limit(1)
    ).one_or_none()
    number, spoken = last or (0, [])
    session.add(
        ThemeDefinition(
            theme_id=theme_id,
            number=number + 1,
            definition_set_id=set_id,
            labels=list(labels),
            languages=_languages_under(session, labels) or spoken,
        )
    )
    session.flush()  # the next one counts on
    return number + 1


def _languages_under(session: Session, labels: Sequence[int]) -> list[str]:
    """Return the main languages of a draw of texts under some labels, most spoken first."""
    # as a condition, so that the texts are walked in the order of their hashes, up to the last
    is_under = sa.exists().where(Contact.id == ContactText.contact_id, Contact.cluster.in_(labels))
    texts = session.scalars(
        sa.select(ContactText.issue_text)
        .where(ContactText.issue_text != "", is_under)
        .order_by(ContactText.text_hash)
        .limit(TEXTS_ASKED)
    ).all()
    return main_languages(Counter(languages_of(texts)))
