"""What a fix touches, costs and reaches by stages; sign-offs, placebo checks, own priors."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DRIVER = "Driver volume that effects are held against; or none."


def upgrade() -> None:
    # texts are encoded without case and punctuation from here on: vectors of both kinds would mix
    op.execute("DELETE FROM encoded_texts")
    for column in (
        sa.Column("cost_low", sa.Double(), comment="Pence the fix costs, at least."),
        sa.Column("cost_high", sa.Double(), comment="Pence the fix costs, at most."),
        _said("driver", 60, comment=DRIVER),
    ):
        op.add_column("actions", column)
    op.create_table(
        "action_themes",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_id"], ["actions.id"], name=op.f("fk_action_themes_action_id_actions")
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_action_themes_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("action_id", "theme_id", name=op.f("pk_action_themes")),
    )
    op.create_index(op.f("ix_action_themes_theme_id"), "action_themes", ["theme_id"])
    op.add_column(
        "interventions",
        sa.Column(
            "stages",
            sa.JSON(),
            server_default="[]",
            nullable=False,
            comment="Share of customers reached from a day on; empty is all of them.",
        ),
    )
    op.add_column("interventions", _said("driver", 60, comment=DRIVER))
    op.add_column(
        "impact_measurements",
        sa.Column(
            "q_value",
            sa.Double(),
            comment="Of a look, adjusted for the other themes looked at that night.",
        ),
    )
    op.add_column("comebacks", sa.Column("reviewed_at", sa.DateTime(timezone=True)))
    op.add_column("comebacks", _said("reviewed_by", 120))
    op.add_column("comebacks", _said("outcome", 40, comment="Of the case review."))
    op.add_column(
        "comebacks", sa.Column("review_note", sa.Text(), server_default="", nullable=False)
    )
    _add_tables()


def _said(name: str, length: int, *, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), server_default="", nullable=False, comment=comment)


def _add_tables() -> None:
    op.create_table(
        "sign_offs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("measurement_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"],
            ["impact_measurements.id"],
            name=op.f("fk_sign_offs_measurement_id_impact_measurements"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sign_offs_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_offs")),
        sa.UniqueConstraint(
            "measurement_id", "user_id", name=op.f("uq_sign_offs_measurement_id_user_id")
        ),
    )
    op.create_table(
        "placebo_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="Last day of data used, inclusive."),
        sa.Column("method_version", sa.String(20), nullable=False),
        sa.Column("n_placebos", sa.Integer(), nullable=False),
        sa.Column(
            "n_false",
            sa.Integer(),
            nullable=False,
            comment="Of them those that claimed a fall or a rise.",
        ),
        sa.Column("sd_z", sa.Double(), comment="1 if the ranges are as wide as they say."),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placebo_checks")),
        sa.UniqueConstraint(
            "as_of", "method_version", name=op.f("uq_placebo_checks_as_of_method_version")
        ),
    )
    op.create_table(
        "impact_priors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="Last day of data used, inclusive."),
        sa.Column("method_version", sa.String(20), nullable=False),
        sa.Column("n_themes", sa.Integer(), nullable=False),
        sa.Column(
            "weights", sa.JSON(), nullable=False, comment="Empty is back to those delivered."
        ),
        sa.Column("learnt_by", sa.String(120), nullable=False),
        sa.Column("learnt_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_impact_priors")),
    )


def downgrade() -> None:
    for table in ("impact_priors", "placebo_checks", "sign_offs"):
        op.drop_table(table)
    for column in ("review_note", "outcome", "reviewed_by", "reviewed_at"):
        op.drop_column("comebacks", column)
    op.drop_column("impact_measurements", "q_value")
    for column in ("driver", "stages"):
        op.drop_column("interventions", column)
    op.drop_table("action_themes")
    for column in ("driver", "cost_high", "cost_low"):
        op.drop_column("actions", column)
