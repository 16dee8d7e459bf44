"""The contacts of an import in order of start, so that a page of them is read and no more."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_contacts_batch_started", "contacts", ["batch_id", "started_at", "id"], unique=False
    )
    op.drop_index("ix_contacts_batch", table_name="contacts")


def downgrade() -> None:
    op.create_index("ix_contacts_batch", "contacts", ["batch_id"], unique=False)
    op.drop_index("ix_contacts_batch_started", table_name="contacts")
