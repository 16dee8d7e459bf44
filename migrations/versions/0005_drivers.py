"""Contact drivers above themes, and what people did to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_drivers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=20), nullable=False, comment="D-004; lasts for ever."),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("is_named_by_person", sa.Boolean(), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "in_use",
                "merged",
                "retired",
                name="driverstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("merged_into_id", sa.Integer(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=True, comment="The run that proposed it."),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state = 'merged') = (merged_into_id IS NOT NULL)",
            name=op.f("ck_contact_drivers_merged_says_into_what"),
        ),
        sa.ForeignKeyConstraint(
            ["merged_into_id"],
            ["contact_drivers.id"],
            name=op.f("fk_contact_drivers_merged_into_id_contact_drivers"),
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["theme_runs.id"], name=op.f("fk_contact_drivers_run_id_theme_runs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_drivers")),
        sa.UniqueConstraint("key", name=op.f("uq_contact_drivers_key")),
    )
    op.create_index(
        op.f("ix_contact_drivers_merged_into_id"),
        "contact_drivers",
        ["merged_into_id"],
        unique=False,
    )
    op.create_table(
        "driver_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "driver_id", sa.Integer(), nullable=True, comment="Null: themes were put under none."
        ),
        sa.Column(
            "other_id", sa.Integer(), nullable=True, comment="The driver it was merged into."
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "create",
                "rename",
                "move",
                "merge",
                "retire",
                "restore",
                name="driverchangekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("themes", sa.Integer(), nullable=False, comment="How many it moved."),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", sa.String(length=120), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["driver_id"],
            ["contact_drivers.id"],
            name=op.f("fk_driver_changes_driver_id_contact_drivers"),
        ),
        sa.ForeignKeyConstraint(
            ["other_id"],
            ["contact_drivers.id"],
            name=op.f("fk_driver_changes_other_id_contact_drivers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_driver_changes")),
    )
    op.create_index(
        op.f("ix_driver_changes_driver_id"), "driver_changes", ["driver_id"], unique=False
    )
    op.create_index(
        op.f("ix_driver_changes_other_id"), "driver_changes", ["other_id"], unique=False
    )
    op.add_column(
        "themes",
        sa.Column(
            "driver_id",
            sa.Integer(),
            nullable=True,
            comment="Its contact driver; those rows are never deleted.",
        ),
    )
    op.add_column(
        "themes",
        sa.Column(
            "is_driver_by_person",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="Somebody decided about its driver; no run does.",
        ),
    )
    op.create_index(op.f("ix_themes_driver_id"), "themes", ["driver_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_themes_driver_id"), table_name="themes")
    op.drop_column("themes", "is_driver_by_person")
    op.drop_column("themes", "driver_id")
    op.drop_index(op.f("ix_driver_changes_other_id"), table_name="driver_changes")
    op.drop_index(op.f("ix_driver_changes_driver_id"), table_name="driver_changes")
    op.drop_table("driver_changes")
    op.drop_index(op.f("ix_contact_drivers_merged_into_id"), table_name="contact_drivers")
    op.drop_table("contact_drivers")
