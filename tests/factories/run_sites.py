"""A site whose runs find the groups they are told to, for tests of what runs propose."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import sqlalchemy as sa

from closedloop.models import (
    Contact,
    DailyRollup,
    DefinitionSet,
    RunPart,
    Theme,
    ThemeDefinition,
    ThemeRun,
    ThemeStats,
)
from closedloop.services.run_parts import accept_parts
from closedloop.services.themes import discover_themes, rename_theme
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace
from tests.factories.histories import add_contacts, rows_of, theme_named
from tests.factories.theme_maker import TopicModel, make_maker


class GroupModel(TopicModel):
    """A model whose labels may stand for several topic words at once: "CARD+PIN"."""

    def assign(self, vectors):
        words = [(label, word) for label, t in enumerate(self.topics) for word in t.split("+")]
        inner = TopicModel([word for _, word in words])
        found, confidence = inner.assign(vectors)
        labels = np.array([label for label, _ in words] + [-1])
        return labels[found], confidence

    def restrict(self, labels):
        return GroupModel([self.topics[label] for label in labels])

    def prototypes(self, label):
        inner = TopicModel(self.topics[label].split("+"))
        return np.vstack([inner.prototypes(place) for place in range(inner.n_themes)])

    @staticmethod
    def from_bytes(content):
        return GroupModel(TopicModel.from_bytes(content).topics)

    @staticmethod
    def combine(models, *, in_turn=False):
        return GroupModel([topic for model in models for topic in model.topics])


class Scripted:
    """Finds the groups it is told to; texts of other topics are left over."""

    def __init__(self, *groups: str, fits: bool = False) -> None:
        self.groups = groups
        self.fits = fits
        self.calls = 0

    def __call__(self, texts, *, encoder, seed, embeddings, dispositions, **links):
        self.calls += 1
        words = {text.split()[0] for text in texts}
        groups = [group for group in self.groups if words & set(group.split("+"))]
        model = GroupModel(groups)
        labels, confidence = model.assign(embeddings)
        if self.fits:
            model = ThemeModel.fit(embeddings, labels, DenseSpace.fit(embeddings))
        return SimpleNamespace(
            labels=labels,
            confidence=confidence,
            themes=[
                SimpleNamespace(name=group.title(), keywords=_said(group, texts)[:1])
                for group in groups
            ],
            model=model,
            parameters={"seed": seed},
        )


def maker_of(*groups):
    maker = make_maker(discover=Scripted(*groups))
    return type(maker)(
        load_encoder=maker.load_encoder,
        discover=maker.discover,
        read_model=GroupModel.from_bytes,
        combine=GroupModel.combine,
    )


def fitting_maker_of(*groups):
    """Return a maker whose clusters are scripted and whose models are those of real data."""
    return type(make_maker())(
        load_encoder=make_maker().load_encoder,
        discover=Scripted(*groups, fits=True),
        read_model=ThemeModel.from_bytes,
        combine=ThemeModel.combine,
    )


class Site:
    def __init__(self, database, settings, actor, maker_of=maker_of) -> None:
        self.database, self.settings, self.actor = database, settings, actor
        self.maker_of = maker_of

    def add(self, **topics):
        add_contacts(self.database, self.settings, topics, tag=f"t{sum(topics.values())}")

    def discover(self, *groups):
        return discover_themes(
            self.database.transaction,
            settings=self.settings,
            by=self.actor,
            maker=self.maker_of(*groups),
        )

    def keep(self, *names):
        """Rename themes, so that people have decided about them."""
        for name in names:
            theme = theme_named(self.database, name)
            with self.database.transaction() as session:
                rename_theme(session, theme_id=theme.id, name=f"Our {name}", by=self.actor)

    def accept(self, *parts, **values):
        return accept_parts(
            self.database.transaction,
            settings=self.settings,
            part_ids=[part.id for part in parts],
            by=self.actor,
            **{"maker": self.maker_of(), **values},
        )

    def parts(self, **where):
        with self.database.reading() as session:
            query = sa.select(RunPart).filter_by(**where).order_by(RunPart.id)
            found = list(session.scalars(query))
            session.expunge_all()
            return found

    def told(self):
        """Return kind, key of the theme and state of every part of the last run."""
        with self.database.reading() as session:
            last = session.scalar(sa.select(sa.func.max(ThemeRun.id)))
            rows = session.execute(
                sa.select(RunPart.kind, Theme.key, RunPart.state)
                .join(Theme, Theme.id == RunPart.theme_id)
                .where(RunPart.run_id == last)
                .order_by(Theme.key, RunPart.id)
            )
            return [(kind.value, key, state.value) for kind, key, state in rows]

    def snapshot(self):
        tables = (Contact, Theme, ThemeDefinition, DailyRollup, ThemeStats, DefinitionSet)
        return [rows_of(self.database, table) for table in tables]


def _said(group: str, texts) -> tuple[str, ...]:
    """Return the topics of a group that its texts say, in small letters."""
    words = {word for text in texts for word in text.split()}
    return tuple(topic.lower() for topic in group.split("+") if topic in words)
