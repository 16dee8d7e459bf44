"""Find the contacts of a language over some days from an index alone."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_BEFORE = ["local_day", "channel", "theme_id", "customer_id"]
_AFTER = [*_BEFORE, "language"]


def upgrade() -> None:
    op.drop_index("ix_contacts_day_channel_theme_customer", table_name="contacts")
    op.create_index("ix_contacts_day_channel_theme_customer_language", "contacts", _AFTER)


def downgrade() -> None:
    op.drop_index("ix_contacts_day_channel_theme_customer_language", table_name="contacts")
    op.create_index("ix_contacts_day_channel_theme_customer", "contacts", _BEFORE)
