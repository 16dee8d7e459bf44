"""What people put right about themes, what runs propose, what nightly looks find."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_labels",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False, comment="32 bytes a text, sorted."),
        sa.Column(
            "labels", sa.LargeBinary(), nullable=False, comment="int32 a text, -1 left over."
        ),
        sa.Column(
            "counts", sa.LargeBinary(), nullable=False, comment="int32 a text: contacts read."
        ),
        sa.Column(
            "themes",
            sa.LargeBinary(),
            nullable=False,
            comment="int32 a text: theme before the run, 0 none.",
        ),
        sa.Column("names", sa.JSON(), nullable=False, comment="Of label 0, 1, …."),
        sa.Column("model", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["theme_runs.id"],
            name=op.f("fk_run_labels_run_id_theme_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_run_labels")),
    )
    op.create_table(
        "theme_maps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("definition_set_id", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("n_points", sa.Integer(), nullable=False),
        sa.Column(
            "points",
            sa.LargeBinary(),
            nullable=False,
            comment="npz: x, y, label a contact; theme_id a label.",
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_set_id"],
            ["definition_sets.id"],
            name=op.f("fk_theme_maps_definition_set_id_definition_sets"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_theme_maps")),
    )
    op.create_index(
        op.f("ix_theme_maps_definition_set_id"), "theme_maps", ["definition_set_id"], unique=False
    )
    op.create_table(
        "theme_weeks",
        sa.Column(
            "theme_id",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="0: contacts with text in no theme.",
        ),
        sa.Column("week", sa.Date(), nullable=False, comment="Monday."),
        sa.Column("definition_set_id", sa.Integer(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False, comment="With text."),
        sa.Column(
            "customers",
            sa.Integer(),
            nullable=False,
            comment="Distinct; each unidentified contact is one.",
        ),
        sa.Column("confidence", sa.Double(), nullable=False, comment="Sum over them."),
        sa.ForeignKeyConstraint(
            ["definition_set_id"],
            ["definition_sets.id"],
            name=op.f("fk_theme_weeks_definition_set_id_definition_sets"),
        ),
        sa.PrimaryKeyConstraint("theme_id", "week", name=op.f("pk_theme_weeks")),
    )
    op.create_table(
        "emerging_themes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "found_on", sa.Date(), nullable=False, comment="Reporting day of the first night."
        ),
        sa.Column("seen_on", sa.Date(), nullable=False, comment="Reporting day of the last night."),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column("keywords", sa.JSON(), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column(
            "customers", sa.Integer(), nullable=False, comment="Distinct, in the later span."
        ),
        sa.Column(
            "customers_before",
            sa.Integer(),
            nullable=False,
            comment="Distinct, in the span before it.",
        ),
        sa.Column("p_value", sa.Double(), nullable=False, comment="Of that rise by chance."),
        sa.Column("prototype", sa.LargeBinary(), nullable=False, comment="float32."),
        sa.Column("members", sa.JSON(), nullable=False, comment="Contact ids, nearest first."),
        sa.Column(
            "state",
            sa.Enum(
                "proposed",
                "taken",
                "dismissed",
                "gone",
                name="emergingstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("theme_id", sa.Integer(), nullable=True),
        sa.Column("decided_by", sa.String(length=120), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_emerging_themes_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emerging_themes")),
    )
    op.create_index(
        op.f("ix_emerging_themes_theme_id"), "emerging_themes", ["theme_id"], unique=False
    )
    op.create_table(
        "run_parts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "continued",
                "grew",
                "shrank",
                "new",
                "split",
                "merged",
                "vanished",
                name="partkind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("theme_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=160), nullable=False),
        sa.Column(
            "score",
            sa.Double(),
            nullable=False,
            comment="Overlap with what stands, Jaccard, 0 to 1.",
        ),
        sa.Column(
            "contacts",
            sa.Integer(),
            nullable=False,
            comment="Of the contacts read, in the cluster.",
        ),
        sa.Column(
            "would_move", sa.Integer(), nullable=False, comment="Contacts whose theme would change."
        ),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "proposed",
                "accepted",
                "declined",
                "superseded",
                name="partstate",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("decided_by", sa.String(length=120), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["theme_runs.id"], name=op.f("fk_run_parts_run_id_theme_runs")
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_run_parts_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_parts")),
    )
    op.create_index(op.f("ix_run_parts_run_id"), "run_parts", ["run_id"], unique=False)
    op.create_index(op.f("ix_run_parts_theme_id"), "run_parts", ["theme_id"], unique=False)
    op.create_table(
        "theme_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column(
            "other_id",
            sa.Integer(),
            nullable=True,
            comment="The theme that was split off or moved to.",
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "split",
                "move",
                "retire",
                "restore",
                "describe",
                "parts",
                name="changekind",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("contacts", sa.Integer(), nullable=False, comment="How many it moved."),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("changed_by", sa.String(length=120), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_by", sa.String(length=120), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["other_id"], ["themes.id"], name=op.f("fk_theme_changes_other_id_themes")
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_theme_changes_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_theme_changes")),
    )
    op.create_index(op.f("ix_theme_changes_other_id"), "theme_changes", ["other_id"], unique=False)
    op.create_index(op.f("ix_theme_changes_theme_id"), "theme_changes", ["theme_id"], unique=False)
    op.create_table(
        "theme_followers",
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column("next_id", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="Last day counted, inclusive."),
        sa.Column(
            "contacts",
            sa.Integer(),
            nullable=False,
            comment="Mature identified contacts of the theme.",
        ),
        sa.Column(
            "followed", sa.Integer(), nullable=False, comment="Of these, by the other theme next."
        ),
        sa.Column(
            "customers", sa.Integer(), nullable=False, comment="Distinct among the followed."
        ),
        sa.Column(
            "expected",
            sa.Double(),
            nullable=False,
            comment="Followed if it were as after any contact.",
        ),
        sa.ForeignKeyConstraint(
            ["next_id"],
            ["themes.id"],
            name=op.f("fk_theme_followers_next_id_themes"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"],
            ["themes.id"],
            name=op.f("fk_theme_followers_theme_id_themes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("theme_id", "next_id", name=op.f("pk_theme_followers")),
    )
    op.create_table(
        "membership_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column(
            "round", sa.Integer(), nullable=False, comment="1, 2, …; a new draw is a new round."
        ),
        sa.Column("definition_set_id", sa.Integer(), nullable=False),
        sa.Column(
            "contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("belongs", sa.Boolean(), nullable=True, comment="Null: not looked at yet."),
        sa.Column("checked_by", sa.String(length=120), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_membership_checks_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["definition_set_id"],
            ["definition_sets.id"],
            name=op.f("fk_membership_checks_definition_set_id_definition_sets"),
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"],
            ["themes.id"],
            name=op.f("fk_membership_checks_theme_id_themes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_checks")),
        sa.UniqueConstraint(
            "theme_id",
            "round",
            "contact_id",
            name=op.f("uq_membership_checks_theme_id_round_contact_id"),
        ),
    )
    op.create_index(
        op.f("ix_membership_checks_contact_id"), "membership_checks", ["contact_id"], unique=False
    )
    op.create_index(
        op.f("ix_membership_checks_theme_id"), "membership_checks", ["theme_id"], unique=False
    )
    op.create_table(
        "quote_rejections",
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column(
            "contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("rejected_by", sa.String(length=120), nullable=False),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_quote_rejections_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"],
            ["themes.id"],
            name=op.f("fk_quote_rejections_theme_id_themes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("theme_id", "contact_id", name=op.f("pk_quote_rejections")),
    )
    op.create_index(
        op.f("ix_quote_rejections_contact_id"), "quote_rejections", ["contact_id"], unique=False
    )
    op.create_table(
        "theme_suggestions",
        sa.Column("theme_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("summary", sa.String(length=160), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False, comment="Who wrote it."),
        sa.Column("asked_by", sa.String(length=120), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dismissed_by", sa.String(length=120), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["theme_id"],
            ["themes.id"],
            name=op.f("fk_theme_suggestions_theme_id_themes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("theme_id", name=op.f("pk_theme_suggestions")),
    )
    op.create_table(
        "theme_corrections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column(
            "contact_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "text_hash", sa.String(length=64), nullable=False, comment="Of what the contact said."
        ),
        sa.Column("belongs", sa.Boolean(), nullable=False),
        sa.Column("change_id", sa.Integer(), nullable=True),
        sa.Column("said_by", sa.String(length=120), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["change_id"],
            ["theme_changes.id"],
            name=op.f("fk_theme_corrections_change_id_theme_changes"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"],
            ["contacts.id"],
            name=op.f("fk_theme_corrections_contact_id_contacts"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_theme_corrections_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_theme_corrections")),
    )
    op.create_index(
        op.f("ix_theme_corrections_change_id"), "theme_corrections", ["change_id"], unique=False
    )
    op.create_index(
        "ix_theme_corrections_contact", "theme_corrections", ["contact_id"], unique=False
    )
    op.create_index("ix_theme_corrections_text", "theme_corrections", ["text_hash"], unique=False)
    op.create_index(
        op.f("ix_theme_corrections_theme_id"), "theme_corrections", ["theme_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_theme_corrections_theme_id"), table_name="theme_corrections")
    op.drop_index("ix_theme_corrections_text", table_name="theme_corrections")
    op.drop_index("ix_theme_corrections_contact", table_name="theme_corrections")
    op.drop_index(op.f("ix_theme_corrections_change_id"), table_name="theme_corrections")
    op.drop_table("theme_corrections")
    op.drop_table("theme_suggestions")
    op.drop_index(op.f("ix_quote_rejections_contact_id"), table_name="quote_rejections")
    op.drop_table("quote_rejections")
    op.drop_index(op.f("ix_membership_checks_theme_id"), table_name="membership_checks")
    op.drop_index(op.f("ix_membership_checks_contact_id"), table_name="membership_checks")
    op.drop_table("membership_checks")
    op.drop_table("theme_followers")
    op.drop_index(op.f("ix_theme_changes_theme_id"), table_name="theme_changes")
    op.drop_index(op.f("ix_theme_changes_other_id"), table_name="theme_changes")
    op.drop_table("theme_changes")
    op.drop_index(op.f("ix_run_parts_theme_id"), table_name="run_parts")
    op.drop_index(op.f("ix_run_parts_run_id"), table_name="run_parts")
    op.drop_table("run_parts")
    op.drop_index(op.f("ix_emerging_themes_theme_id"), table_name="emerging_themes")
    op.drop_table("emerging_themes")
    op.drop_table("theme_weeks")
    op.drop_index(op.f("ix_theme_maps_definition_set_id"), table_name="theme_maps")
    op.drop_table("theme_maps")
    op.drop_table("run_labels")
