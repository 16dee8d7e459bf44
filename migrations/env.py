"""Run migrations on the database of the settings, or on a connection handed in."""

from __future__ import annotations

from alembic import context

from closedloop.config import Settings
from closedloop.extensions import make_engine
from closedloop.models import Model, UtcDateTime

config = context.config


def render_item(kind, obj, autogen_context):
    """Write our instants as plain SQLAlchemy, so that a migration never imports closedloop."""
    if kind == "type" and isinstance(obj, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def compare_type(context, inspected, metadata, inspected_type, metadata_type):
    """Instants and enums are what we say they are; SQLite cannot tell."""
    if isinstance(metadata_type, UtcDateTime):
        return False
    return None


def run(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Model.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        compare_type=compare_type,
    )
    with context.begin_transaction():
        context.run_migrations()


handed = config.attributes.get("connection")
if handed is not None:
    run(handed)
else:
    engine = make_engine(config.attributes.get("url") or Settings.from_env().url)
    with engine.execution_options(closedloop_writes=True).begin() as connection:
        run(connection)
    engine.dispose()
