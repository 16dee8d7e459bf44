"""Migrations go up and down, leave nothing behind, and say all that the models say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from closedloop.domain.clock import utc_now
from closedloop.models import AuditEvent, ImpactMeasurement
from closedloop.services.migrations import (
    check_database,
    database_revisions,
    downgrade_database,
    upgrade_database,
)
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.themes import make_intervention
from tests.site import SERVER

VERSIONS = Path(__file__).resolve().parents[2] / "migrations/versions"


@pytest.fixture
def fresh(tmp_path, database):
    """An engine on an empty database of its own."""
    if not SERVER:
        from closedloop.extensions import make_engine

        engine = make_engine(f"sqlite:///{tmp_path / 'fresh.sqlite3'}")
        yield engine
        engine.dispose()
        return
    from closedloop.extensions import make_engine

    admin = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS closedloop_fresh WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE closedloop_fresh"))
    url = sa.make_url(SERVER).set(database="closedloop_fresh")
    engine = make_engine(url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(sa.text("DROP DATABASE closedloop_fresh WITH (FORCE)"))
    admin.dispose()


def test_migrations_go_up_down_and_up_again(fresh):
    upgrade_database(fresh)
    current, newest = database_revisions(fresh)
    assert current == newest
    downgrade_database(fresh)
    assert sa.inspect(fresh).get_table_names() == ["alembic_version"]
    upgrade_database(fresh)
    check_database(fresh)


def test_the_models_have_nothing_that_no_migration_makes(database):
    check_database(database.engine)


def test_migrations_are_numbered_without_gaps_and_never_import_closedloop():
    files = sorted(VERSIONS.glob("*.py"))
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    for path in files:
        assert not re.search(r"^(from|import) (closedloop|ml)\b", path.read_text(), re.M), path.name


@pytest.mark.parametrize(
    "change", ["UPDATE audit_events SET summary = 'x'", "DELETE FROM audit_events"]
)
def test_an_audit_event_cannot_be_changed_or_deleted(session, change):
    session.add(
        AuditEvent(
            actor_kind="command",
            actor_name="Test",
            verb="site.tested",
            target_kind="site",
            summary="tested",
        )
    )
    session.commit()
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(sa.text(change))


def test_go_lives_keep_their_measurements_when_the_table_is_made_anew(fresh):
    upgrade_database(fresh)
    with Session(fresh.execution_options(closedloop_writes=True)) as session:
        live = make_intervention(session)
        measurement_id = make_measurement(session, live).id
        make_comeback(session, live)
        kept = (live.id, live.went_live_on, live.plan)
        session.commit()
    downgrade_database(fresh, to="0009")
    upgrade_database(fresh)
    check_database(fresh)
    with Session(fresh.execution_options(closedloop_writes=True)) as session:
        live = session.get_one(ImpactMeasurement, measurement_id).intervention
        assert (live.id, live.went_live_on, live.plan) == kept
        if fresh.dialect.name == "sqlite":
            assert session.execute(sa.text("PRAGMA foreign_key_check")).all() == []
        live.taken_back_at = utc_now()
        session.commit()
    with pytest.raises(RuntimeError, match="were taken back here"):
        downgrade_database(fresh, to="0009")
