"""What contacts were before a later export replaced them, and how many an import replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column(
        "import_batches",
        sa.Column(
            "renewed",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Changed rows that replaced what was stored.",
        ),
    )
    op.create_table(
        "contact_versions",
        sa.Column("id", big, nullable=False),
        sa.Column("contact_id", big, nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=False, comment="The import that brought it."),
        sa.Column(
            "customer_id", big, nullable=True, comment="Whose it was before customers were linked."
        ),
        sa.Column("local_day", sa.Date(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("follows_contact_id", sa.String(length=120), nullable=False),
        sa.Column(
            "said", sa.JSON(), nullable=False, comment="The other columns that a source fills."
        ),
        sa.Column(
            "turns",
            sa.JSON(),
            nullable=False,
            comment="As in contact_texts; empty: none, or expired",
        ),
        sa.Column("issue_text", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["import_batches.id"],
            name=op.f("fk_contact_versions_batch_id_import_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_contact_versions_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_versions")),
    )
    op.create_index(
        op.f("ix_contact_versions_batch_id"), "contact_versions", ["batch_id"], unique=False
    )
    op.create_index(
        op.f("ix_contact_versions_customer_id"), "contact_versions", ["customer_id"], unique=False
    )
    op.create_index(
        "ix_contact_versions_contact", "contact_versions", ["contact_id", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("contact_versions")
    op.drop_column("import_batches", "renewed")
