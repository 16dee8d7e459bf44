"""People decide about contact drivers: each change is previewed, kept, and can be taken back."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.contact_drivers import DriverState
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, ContactDriver, Theme
from closedloop.services.contact_drivers import (
    create_driver,
    merge_drivers,
    move_themes,
    preview_merge,
    preview_themes,
    rename_driver,
    restore_driver,
    retire_driver,
)
from closedloop.services.driver_undoing import undo_driver_change
from tests.factories.themes import make_driver, make_stats, make_theme


@pytest.fixture
def drivers(session):
    return make_driver(session, name="Money"), make_driver(session, name="Parcels")


@pytest.fixture
def themes(session, drivers):
    """Two themes about money, one about parcels, one of them too small to be told."""
    money, parcels = drivers
    found = [
        make_theme(session, name="Refund late", driver_id=money.id),
        make_theme(session, name="Charged twice", driver_id=money.id),
        make_theme(session, name="Parcel late", driver_id=parcels.id),
    ]
    make_stats(session, found[0], contacts=400)
    make_stats(session, found[1], contacts=6, customers=4)
    make_stats(session, found[2], contacts=50)
    return found


def state_of(session):
    session.flush()
    session.expire_all()
    themes = session.execute(
        sa.select(Theme.key, Theme.driver_id, Theme.is_driver_by_person).order_by(Theme.id)
    ).all()
    drivers = session.execute(
        sa.select(
            ContactDriver.key,
            ContactDriver.name,
            ContactDriver.is_named_by_person,
            ContactDriver.merged_into_id,
        )
        .where(ContactDriver.state != DriverState.RETIRED)
        .order_by(ContactDriver.id)
    ).all()
    return [tuple(row) for row in themes], [tuple(row) for row in drivers]


def test_a_move_is_counted_before_it_is_made(session, drivers, themes):
    before = state_of(session)
    preview = preview_themes(
        session, theme_ids=[theme.id for theme in themes], to_id=drivers[1].id, k=5
    )
    assert [(theme.name, theme.contacts) for theme in preview.themes] == [
        ("Refund late", 400),
        ("Charged twice", None),
    ]
    assert (preview.contacts, preview.untold) == (400, 1)
    assert preview.left_empty == (f"{drivers[0].key} Money",)
    assert state_of(session) == before


def changes(session, actor, drivers, themes):
    """Every change there is, by name."""
    money, parcels = drivers
    return {
        "rename": lambda: rename_driver(session, driver_id=money.id, name="Bills", by=actor),
        "move": lambda: move_themes(
            session, theme_ids=[themes[0].id, themes[2].id], to_id=parcels.id, by=actor
        ),
        "out": lambda: move_themes(session, theme_ids=[themes[0].id], to_id=None, by=actor),
        "create": lambda: create_driver(session, name="New", theme_ids=[themes[2].id], by=actor),
        "merge": lambda: merge_drivers(session, driver_id=money.id, into_id=parcels.id, by=actor),
    }


@pytest.mark.parametrize("name", ["rename", "move", "out", "create", "merge"])
def test_each_change_has_events_and_is_undone_to_the_last_field(
    session, actor, drivers, themes, name
):
    before = state_of(session)
    changes(session, actor, drivers, themes)[name]()
    assert state_of(session) != before
    events = session.scalar(sa.select(sa.func.count()).select_from(AuditEvent))
    assert events >= 1
    change_id = session.scalar(sa.text("SELECT max(id) FROM driver_changes"))
    undo_driver_change(session, change_id=change_id, by=actor)
    assert state_of(session) == before
    assert session.scalar(sa.select(sa.func.count()).select_from(AuditEvent)) > events
    with pytest.raises(Conflict, match="took this back already"):
        undo_driver_change(session, change_id=change_id, by=actor)


def test_retiring_and_restoring_are_undone_too(session, actor, drivers, themes):
    money, parcels = drivers
    gone = make_theme(session, ThemeStatus.RETIRED, name="Old", driver_id=parcels.id)
    move_themes(session, theme_ids=[themes[2].id], to_id=money.id, by=actor)
    before = state_of(session)
    change = retire_driver(session, driver_id=parcels.id, by=actor)
    session.refresh(gone)
    assert gone.driver_id is None
    undo_driver_change(session, change_id=change.id, by=actor)
    assert state_of(session) == before
    retire_driver(session, driver_id=parcels.id, by=actor)
    change = restore_driver(session, driver_id=parcels.id, by=actor)
    assert parcels.state is DriverState.IN_USE
    undo_driver_change(session, change_id=change.id, by=actor)
    assert parcels.state is DriverState.RETIRED


def test_a_driver_with_themes_in_use_is_not_retired(session, actor, drivers, themes):
    with pytest.raises(Conflict, match="still holds 2 themes"):
        retire_driver(session, driver_id=drivers[0].id, by=actor)


def test_merged_themes_move_along_so_that_undoing_their_merger_finds_a_driver_in_use(
    session, actor, drivers, themes
):
    money, parcels = drivers
    part = make_theme(session, ThemeStatus.MERGED, driver_id=money.id, merged_into_id=themes[0].id)
    change = merge_drivers(session, driver_id=money.id, into_id=parcels.id, by=actor)
    session.refresh(part)
    assert part.driver_id == parcels.id
    assert change.themes == 2
    assert preview_names(session, drivers, themes) == []


def preview_names(session, drivers, themes):
    with pytest.raises(InvalidTransition, match="takes no themes"):
        preview_merge(session, driver_id=drivers[0].id, into_id=drivers[1].id, k=5)
    return []


def test_what_was_built_on_a_change_is_undone_first(session, actor, drivers, themes):
    money, parcels = drivers
    merge = merge_drivers(session, driver_id=money.id, into_id=parcels.id, by=actor)
    move = create_driver(session, name="New", theme_ids=[themes[0].id], by=actor)
    with pytest.raises(Conflict, match=f"{themes[0].key} was put under another"):
        undo_driver_change(session, change_id=merge.id, by=actor)
    session.rollback()
    del move


def test_a_theme_does_not_return_to_a_driver_that_is_gone(session, actor, drivers, themes):
    money, parcels = drivers
    move = move_themes(session, theme_ids=[themes[2].id], to_id=money.id, by=actor)
    retire_driver(session, driver_id=parcels.id, by=actor)
    with pytest.raises(Conflict, match="Restore it first"):
        undo_driver_change(session, change_id=move.id, by=actor)


def test_a_made_driver_with_more_themes_since_is_not_unmade(session, actor, drivers, themes):
    made = create_driver(session, name="New", by=actor)
    move_themes(session, theme_ids=[themes[0].id], to_id=made.driver_id, by=actor)
    with pytest.raises(Conflict, match="1 more theme was put"):
        undo_driver_change(session, change_id=made.id, by=actor)


def test_names_are_one_driver_s_own_also_when_one_comes_back(session, actor, drivers, themes):
    money, _ = drivers
    for name in ("", " ", "x" * 81, "  parcels "):
        with pytest.raises(Invalid):
            rename_driver(session, driver_id=money.id, name=name, by=actor)
    empty = create_driver(session, name="Empty", by=actor).driver
    retire_driver(session, driver_id=empty.id, by=actor)
    create_driver(session, name="Empty", by=actor)
    with pytest.raises(Conflict, match="called “Empty” by now"):
        restore_driver(session, driver_id=empty.id, by=actor)


def test_keys_are_never_given_twice(session, actor):
    first = create_driver(session, name="One", by=actor).driver
    retire_driver(session, driver_id=first.id, by=actor)
    second = create_driver(session, name="Two", by=actor).driver
    assert int(second.key[2:]) == int(first.key[2:]) + 1


def test_what_cannot_be_moved_is_refused_in_words(session, actor, drivers, themes):
    gone = make_theme(session, ThemeStatus.RETIRED)
    cases = [
        ([], drivers[0].id, Invalid, "at least one"),
        ([gone.id], drivers[0].id, InvalidTransition, "themes in use"),
        ([999_999], drivers[0].id, NotFound, "does not exist"),
        ([themes[0].id], drivers[0].id, Invalid, "there already"),
        ([themes[0].id], 999_999, NotFound, "no such contact driver"),
    ]
    for ids, to_id, error, words in cases:
        with pytest.raises(error, match=words):
            move_themes(session, theme_ids=ids, to_id=to_id, by=actor)
    with pytest.raises(Invalid, match="another contact driver"):
        merge_drivers(session, driver_id=drivers[0].id, into_id=drivers[0].id, by=actor)


def test_many_themes_move_only_when_their_number_was_typed(session, actor, drivers):
    ids = [make_theme(session, key=f"T-9{n:03d}").id for n in range(101)]
    for typed in (None, 100):
        with pytest.raises(Invalid, match="Type 101"):
            move_themes(session, theme_ids=ids, to_id=drivers[0].id, by=actor, typed_count=typed)
    change = move_themes(session, theme_ids=ids, to_id=drivers[0].id, by=actor, typed_count=101)
    assert change.themes == 101


def test_changes_taken_back_in_any_order_get_nowhere_stuck(session, actor, drivers, themes):
    money, parcels = drivers
    before = state_of(session)
    there = [money, parcels, money, parcels]
    moves = [
        move_themes(session, theme_ids=[themes[0].id], to_id=to.id, by=actor).id
        for to in (parcels, money, parcels)
    ]
    names = []
    for name in ("Bills", "Fees", "Bills"):
        rename_driver(session, driver_id=money.id, name=name, by=actor)
        names.append(session.scalar(sa.text("SELECT max(id) FROM driver_changes")))
    for early in (moves[0], names[0], moves[1], names[1]):
        with pytest.raises(Conflict, match=f"since, by {actor.name}. Undo that change first"):
            undo_driver_change(session, change_id=early, by=actor)
    for at in (2, 1, 0):
        undo_driver_change(session, change_id=moves[at], by=actor)
        assert themes[0].driver_id == there[at].id
        undo_driver_change(session, change_id=names[at], by=actor)
    assert state_of(session) == before
