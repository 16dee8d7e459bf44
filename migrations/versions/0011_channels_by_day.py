"""Tell channels and languages of the roll-ups apart, and count contacts, in their indexes."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BEFORE = {
    "daily_rollups_day": ["day"],
    "daily_rollups_queue_day": ["queue", "day"],
    "daily_rollups_disposition_day": ["disposition", "day"],
    "daily_rollups_team_day": ["team", "day"],
    "daily_slices_kind_value_day": ["kind", "value", "day"],
}
_THEN = ["day", "channel", "language", "contacts"]
_AFTER = {
    "daily_rollups_day_channel_language_theme": [
        *("day", "channel", "language", "theme_id", "contacts")
    ],
    "daily_rollups_queue_day_channel_language": ["queue", *_THEN],
    "daily_rollups_disposition_day_channel_language": ["disposition", *_THEN],
    "daily_rollups_team_day_channel_language": ["team", *_THEN],
    "daily_slices_kind_value_day_contacts": ["kind", "value", "day", "contacts"],
}


def upgrade() -> None:
    _replace(_BEFORE, _AFTER)


def downgrade() -> None:
    _replace(_AFTER, _BEFORE)


def _replace(before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    for name in before:
        op.drop_index(f"ix_{name}", table_name=_table_of(name))
    for name, columns in after.items():
        op.create_index(f"ix_{name}", _table_of(name), columns, unique=False)


def _table_of(name: str) -> str:
    return "_".join(name.split("_")[:2])
