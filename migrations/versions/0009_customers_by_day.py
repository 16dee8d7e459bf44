"""Count the customers of a channel or a theme over some days from an index alone."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_contacts_day_customer", table_name="contacts")
    op.create_index(
        "ix_contacts_day_channel_theme_customer",
        "contacts",
        ["local_day", "channel", "theme_id", "customer_id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index("ix_contacts_day_channel_theme_customer", table_name="contacts")
    op.create_index(
        "ix_contacts_day_customer", "contacts", ["local_day", "customer_id"], unique=False
    )
