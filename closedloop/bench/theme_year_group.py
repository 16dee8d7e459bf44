"""The working group of the proof: what people decide about themes in the course of a year."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.errors import Refusal
from closedloop.domain.runs import REMADE, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import Database
from closedloop.models import Contact, RunPart, Theme, ThemeChange
from closedloop.models.curation import ChangeKind
from closedloop.services.curation import move_contacts, preview_split, split_theme
from closedloop.services.definitions import ThemeMaker
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.retiring import preview_retire, retire_theme
from closedloop.services.run_parts import accept_parts
from closedloop.services.themes import rename_theme
from closedloop.services.triage import dismiss_candidate, merge_themes

GROUP = Actor("The working group", ActorKind.PERSON)
ACCEPTS_PARTS = (3, 5, 7, 9)
TAKES_BACK = (5,)
"""Months, counted from 0, in which parts are accepted, and taken back at once."""


class Group:
    """People who decide after each run.

    Attributes
    ----------
    made : Counter of str
        What they did.
    retired_contacts : set of str
        Contacts of themes they retired.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        truth: dict[str, str],
        maker: ThemeMaker | None,
    ) -> None:
        self.database, self.settings, self.truth = database, settings, truth
        self.maker = maker
        self.made: Counter[str] = Counter()
        self.retired_contacts: set[str] = set()

    def decide(self, month: int) -> None:
        """Decide about what the run of a month, counted from 0, left waiting."""
        if month in ACCEPTS_PARTS:  # before the mergers, of which the run knows nothing
            self._accept_parts()
        if month in TAKES_BACK:
            self._take_parts_back()
        self._merge_and_name()
        if month == 0:
            self._dismiss()
            self._retire()
        if month in (0, 2, 6):
            self._move()
        if month == 1:
            self._split()

    def _contents(self, session: Session) -> dict[int, Counter[str]]:
        """Return what the contacts of each theme in use are about."""
        rows = session.execute(
            sa.select(Contact.theme_id, Contact.source_contact_id).where(
                Contact.theme_id.is_not(None)
            )
        )
        found: dict[int, Counter[str]] = {}
        for theme, contact in rows:
            found.setdefault(theme or 0, Counter())[self.truth[contact]] += 1
        return found

    def _merge_and_name(self) -> None:
        """Merge candidates about what another theme is about already; name the others."""
        with self.database.transaction() as session:
            about = self._contents(session)
            themes = session.scalars(
                sa.select(Theme)
                .where(Theme.status.in_((ThemeStatus.CANDIDATE, ThemeStatus.TRIAGED)))
                .order_by(Theme.is_named_by_person.desc(), Theme.id)
            ).all()
            leads: dict[str, int] = {}
            for theme in themes:
                if theme.id not in about:
                    continue
                subject = about[theme.id].most_common(1)[0][0]
                if subject in leads and not theme.is_named_by_person:
                    self._merge(session, theme.id, leads[subject])
                    continue
                if not theme.is_named_by_person:
                    name = f"Ours: {subject.replace('_', ' ')}"
                    rename_theme(session, theme_id=theme.id, name=name, by=GROUP)
                    self.made["renames"] += 1
                leads.setdefault(subject, theme.id)

    def _merge(self, session: Session, theme_id: int, into_id: int) -> None:
        merge_themes(
            session,
            settings=self.settings,
            theme_id=theme_id,
            into_id=into_id,
            reason="The same in other words.",
            by=GROUP,
        )
        self.made["merges"] += 1

    def _by_size(self, session: Session) -> list[int]:
        """Return the candidates, the largest first."""
        candidates = set(
            session.scalars(sa.select(Theme.id).where(Theme.status == ThemeStatus.CANDIDATE))
        )
        about = self._contents(session)
        found = [theme for theme in about if theme in candidates]
        return sorted(found, key=lambda theme: (-about[theme].total(), theme))

    def _dismiss(self) -> None:
        with self.database.transaction() as session:
            theme = self._by_size(session)[-1]
            dismiss_candidate(session, theme_id=theme, reason="Known and fine.", by=GROUP)
            self.made["dismissals"] += 1

    def _retire(self) -> None:
        with self.database.transaction() as session:
            theme = self._by_size(session)[-1]
            preview = preview_retire(session, theme_id=theme, k=self.settings.privacy_k)
            rows = session.scalars(
                sa.select(Contact.source_contact_id).where(Contact.theme_id == theme)
            )
            self.retired_contacts |= set(rows)
            retire_theme(
                session,
                settings=self.settings,
                theme_id=theme,
                by=GROUP,
                typed_count=preview.contacts,
            )
            self.made["retirements"] += 1

    def _move(self) -> None:
        """Move a few contacts that are in the wrong theme to the one about their subject."""
        with self.database.transaction() as session:
            about = self._contents(session)
            homes = {
                counts.most_common(1)[0][0]: theme
                for theme, counts in sorted(about.items(), key=lambda pair: pair[1].total())
                if session.get_one(Theme, theme).status == ThemeStatus.CANDIDATE
            }
            rows = session.execute(
                sa.select(Contact.id, Contact.source_contact_id, Contact.theme_id)
                .join(Theme, Theme.id == Contact.theme_id)
                .where(Theme.status == ThemeStatus.CANDIDATE)
                .order_by(Contact.id)
            ).all()
            wrong = [
                (contact, theme or 0, homes[self.truth[name]])
                for contact, name, theme in rows
                if homes.get(self.truth[name], theme) != theme
            ]
        for contact, theme, home in wrong[:5]:
            self._move_one(contact, theme, home)

    def _move_one(self, contact: int, theme: int, home: int) -> None:
        try:
            with self.database.transaction() as session:
                move_contacts(
                    session,
                    settings=self.settings,
                    theme_id=theme,
                    contact_ids=[contact],
                    to_id=home,
                    by=GROUP,
                )
        except Refusal:  # one that says the same words was moved just now
            return
        self.made["moves"] += 1

    def _split(self) -> None:
        """Split the most mixed theme by examples of its second subject."""
        with self.database.transaction() as session:
            about = self._contents(session)
            mixed = sorted(
                (theme for theme in self._by_size(session) if len(about[theme]) > 1),
                key=lambda theme: (-about[theme].most_common(2)[1][1], theme),
            )
            theme = mixed[0]
            subject = about[theme].most_common(2)[1][0]
            rows = session.execute(
                sa.select(Contact.id, Contact.source_contact_id)
                .where(Contact.theme_id == theme)
                .order_by(Contact.id)
            )
            examples = [contact for contact, name in rows if self.truth[name] == subject]
        self._split_off(theme, examples, f"Ours: {subject.replace('_', ' ')}, apart")

    def _split_off(self, theme: int, examples: Sequence[int], name: str) -> None:
        try:
            with self.database.transaction() as session:
                k = self.settings.privacy_k
                preview = preview_split(
                    session, theme_id=theme, contact_ids=examples, k=k, maker=self.maker
                )
                split_theme(
                    session,
                    settings=self.settings,
                    theme_id=theme,
                    contact_ids=examples,
                    name=name,
                    by=GROUP,
                    typed_count=preview.contacts,
                    maker=self.maker,
                )
        except Refusal:  # too few customers say it
            self.made["splits refused"] += 1
            return
        self.made["splits"] += 1

    def _accept_parts(self) -> None:
        """Accept the two parts that would move the most contacts."""
        with self.database.reading() as session:
            parts = session.scalars(
                sa.select(RunPart.id)
                .where(RunPart.state == PartState.PROPOSED, RunPart.kind.in_(REMADE))
                .order_by(RunPart.would_move.desc(), RunPart.id)
                .limit(2)
            ).all()
        for part in parts:
            try:
                accept_parts(
                    self.database.transaction,
                    settings=self.settings,
                    part_ids=[part],
                    by=GROUP,
                    maker=self.maker,
                )
            except Refusal:  # a theme was merged or retired since that run
                self.made["parts refused"] += 1
            else:
                self.made["parts accepted"] += 1

    def _take_parts_back(self) -> None:
        with self.database.reading() as session:
            change = session.scalar(
                sa.select(sa.func.max(ThemeChange.id)).where(
                    ThemeChange.kind == ChangeKind.PARTS, ThemeChange.undone_at.is_(None)
                )
            )
        if change is not None:
            undo_parts(
                self.database.transaction,
                settings=self.settings,
                change_id=change,
                by=GROUP,
                maker=self.maker,
            )
            self.made["acceptances taken back"] += 1
