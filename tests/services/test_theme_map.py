"""The map of themes: drawn from cached vectors, kept while it holds, and who is on it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.domain.clock import as_if
from closedloop.domain.themes import ThemeStatus
from closedloop.models import DefinitionSet, EncodedText, Theme, ThemeMap
from closedloop.queries.theme_map import SIDE, find_picture
from closedloop.services.theme_map import renew_theme_map
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.theme_maker import WordEncoder
from tests.factories.themes import make_stats, make_theme
from tests.statements import count_statements

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
ENCODER = WordEncoder()


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(NOW):
        yield


@pytest.fixture
def mapped(session):
    """Add a theme of n encoded contacts: `mapped("CARD", 20)`."""
    session.add(
        DefinitionSet(
            number=1, encoder=ENCODER.name, model=b"", label_themes=[], is_current=True, reason="x"
        )
    )
    batch = make_batch(session)

    def add(topic: str, n: int, **values) -> Theme:
        theme = make_theme(session, ThemeStatus.TRIAGED, name=topic.title())
        make_stats(session, theme, **{"contacts": n, "customers": n, **values})
        for number in range(n):
            contact = make_contact(
                session,
                started_at=NOW - timedelta(days=1 + number % 60),
                customer=make_customer(session),
                theme=theme,
                batch=batch,
                text=f"{topic} {number}",
            )
            vector = ENCODER.encode([f"{topic} {number}"])[0].astype("<f2").tobytes()
            text_hash = contact.text.text_hash
            session.add(EncodedText(encoder=ENCODER.name, text_hash=text_hash, vector=vector))
        session.commit()
        return theme

    return add


def points_of(picture):
    both = np.frombuffer(picture.points, "<u2")
    return both[: picture.n_points].astype(int), both[picture.n_points :].astype(int)


def test_every_contact_with_a_theme_lies_on_the_island_of_its_theme(
    session, database, settings, mapped
):
    big, small = mapped("CARD", 30), mapped("REFUND", 12)
    make_contact(session, started_at=NOW - timedelta(days=2), text="in no theme")
    session.commit()

    assert renew_theme_map(database.transaction, settings=settings) == 42

    picture = find_picture(session, k=5)
    assert [(island.key, island.n) for island in picture.islands] == [
        (big.key, 30),
        (small.key, 12),
    ]
    x, y = points_of(picture)
    assert max(x.max(), y.max()) == SIDE
    start = 0
    for island in picture.islands:
        rows = slice(start, start + island.n)
        start = rows.stop
        far = np.hypot(x[rows] - island.x, y[rows] - island.y)
        assert far.max() <= island.r + 2
    first, second = picture.islands
    assert np.hypot(first.x - second.x, first.y - second.y) > max(first.r, second.r)
    assert picture.is_current
    assert picture.agreement > 0.8


def test_a_map_that_stands_is_not_drawn_again_until_definitions_change_or_a_week_passes(
    session, database, settings, mapped
):
    mapped("CARD", 8)
    assert renew_theme_map(database.transaction, settings=settings) == 8
    assert renew_theme_map(database.transaction, settings=settings) == 0

    make_contact(session, started_at=NOW + timedelta(days=7), text=None)
    session.commit()
    with as_if(NOW + timedelta(days=8)):
        assert renew_theme_map(database.transaction, settings=settings) == 8
        session.execute(sa.update(DefinitionSet).values(is_current=False))
        session.add(
            DefinitionSet(
                number=2,
                encoder=ENCODER.name,
                model=b"",
                label_themes=[],
                is_current=True,
                reason="merged",
            )
        )
        session.commit()
        assert not find_picture(session, k=5).is_current
        session.commit()
        assert renew_theme_map(database.transaction, settings=settings) == 8
    assert session.scalar(sa.select(sa.func.count()).select_from(ThemeMap)) == 1


def test_of_more_contacts_than_fit_a_draw_is_taken_the_same_one_each_time(
    session, database, settings, mapped
):
    mapped("CARD", 150)
    mapped("REFUND", 50)

    first = renew_theme_map(database.transaction, settings=settings, most=100)
    kept = session.scalars(sa.select(ThemeMap.points)).one()
    session.execute(sa.delete(ThemeMap))
    session.commit()
    renew_theme_map(database.transaction, settings=settings, most=100)

    assert 70 <= first <= 100
    assert session.scalars(sa.select(ThemeMap.points)).one() == kept
    sizes = [island.n for island in find_picture(session, k=5).islands]
    assert sizes[0] / sum(sizes) == pytest.approx(0.75, abs=0.12)


def test_themes_of_fewer_than_k_people_are_not_on_the_map_nor_are_their_contacts(
    session, database, settings, mapped
):
    shown = mapped("CARD", 10)
    mapped("REFUND", 4)
    renew_theme_map(database.transaction, settings=settings)

    picture = find_picture(session, k=5)

    assert [island.key for island in picture.islands] == [shown.key]
    assert len(picture.points) == 4 * 10
    assert picture.hidden == 1


def test_a_merged_theme_counts_for_its_target_and_a_retired_one_goes(
    session, database, settings, mapped
):
    target, merged, retired = mapped("CARD", 10), mapped("REFUND", 8), mapped("APP", 6)
    renew_theme_map(database.transaction, settings=settings)
    merged.status, merged.merged_into_id = ThemeStatus.MERGED, target.id
    retired.status = ThemeStatus.RETIRED
    session.commit()

    picture = find_picture(session, k=5)

    assert [(island.key, island.n) for island in picture.islands] == [(target.key, 18)]


def test_nothing_says_whose_contact_a_point_is(session, database, settings, mapped):
    mapped("CARD", 10)
    renew_theme_map(database.transaction, settings=settings)

    with np.load(io.BytesIO(session.scalars(sa.select(ThemeMap.points)).one())) as kept:
        assert set(kept.files) == {"x", "y", "label", "theme_id", "centres", "radii", "measured"}


def test_without_definitions_or_themes_there_is_no_map(session, database, settings):
    assert renew_theme_map(database.transaction, settings=settings) == 0
    assert find_picture(session, k=5) is None


def test_a_map_takes_two_statements(session, database, settings, mapped):
    mapped("CARD", 10)
    mapped("REFUND", 8)
    renew_theme_map(database.transaction, settings=settings)
    session.expire_all()
    with count_statements(session.get_bind().engine) as seen:
        find_picture(session, k=5)
    assert len([statement for statement in seen if not statement.startswith("BEGIN")]) == 2
