"""A site with one theme, noise that no theme holds, and a spot that begins to show in it."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import numpy as np

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import Database
from closedloop.models import DefinitionSet, EmergingState, EmergingTheme
from closedloop.services.assignment import assign_contacts
from closedloop.services.definitions import ThemeMaker
from ml.themes import ThemeModel
from ml.themes.vectors import DenseSpace
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.theme_maker import Discoverer, WordEncoder
from tests.factories.themes import make_theme

LAST_DAY = date(2026, 4, 30)
SPOT = "LIFT stuck again"


def real_maker() -> ThemeMaker:
    """Real models over vectors one can read."""
    encoder = WordEncoder()
    return ThemeMaker(lambda _: encoder, Discoverer(), ThemeModel.from_bytes, ThemeModel.combine)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 11, tzinfo=UTC)


def add_texts(session, texts_and_days, *, one_customer=False, batch=None):
    """Add a contact for each pair (text, days before LAST_DAY); each of a customer of its own."""
    batch = batch or make_batch(session)
    customer = make_customer(session)
    return [
        make_contact(
            session,
            text=text,
            started_at=noon(LAST_DAY - timedelta(days=ago)),
            customer=customer if one_customer else make_customer(session),
            batch=batch,
        )
        for text, ago in texts_and_days
    ]


def noise(n: int, seed: int = 0, oldest: int = 55) -> list[tuple[str, int]]:
    """Texts about a thing each, evenly over the days."""
    rng = random.Random(seed)
    return [(f"THING{seed}x{i} is w{rng.random():.6f}", i % (oldest + 1)) for i in range(n)]


def spot(n: int, days: list[int], tag: str = "s") -> list[tuple[str, int]]:
    """Texts about one thing, on these days before LAST_DAY in turn."""
    return [(f"{SPOT} {tag}{i}", days[i % len(days)]) for i in range(n)]


def make_site(
    database: Database,
    settings: Settings,
    actor: Actor,
    maker: ThemeMaker,
    texts_and_days: list[tuple[str, int]],
) -> int:
    """Put a theme about cards in force, add contacts, assign them; return the theme's id."""
    encoder = maker.load_encoder("")
    with database.transaction() as session:
        theme = make_theme(session, ThemeStatus.TRIAGED, name="Card")
        vectors = encoder.encode([f"CARD has not come c{i}" for i in range(40)])
        model = ThemeModel.fit(vectors, np.zeros(40, np.int64), DenseSpace.fit(vectors))
        session.add(
            DefinitionSet(
                number=1,
                encoder=encoder.name,
                model=model.to_bytes(),
                label_themes=[theme.id],
                is_current=True,
                reason="test",
            )
        )
        add_texts(session, [(f"CARD has not come c{i}", i % 56) for i in range(20)])
        add_texts(session, texts_and_days)
        theme_id = theme.id
    assign(database, settings, actor, maker)
    return theme_id


def assign(database: Database, settings: Settings, actor: Actor, maker: ThemeMaker) -> None:
    """Give new contacts their theme."""
    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)


def make_emerging(session, contacts=(), **values) -> EmergingTheme:
    """Add an emerging theme that waits for a decision."""
    row = EmergingTheme(
        **{
            "found_on": LAST_DAY - timedelta(days=2),
            "seen_on": LAST_DAY,
            "name": "Lift stuck",
            "keywords": ["lift stuck"],
            "contacts": 50,
            "customers": 41,
            "customers_before": 9,
            "p_value": 0.0001,
            "prototype": np.ones(4, "<f4").tobytes(),
            "members": [contact.id for contact in contacts],
            "state": EmergingState.PROPOSED,
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row
