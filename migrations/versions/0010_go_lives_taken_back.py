"""A go-live can be taken back, and the action shipped again: each has a row of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLD_COLUMNS = (
    "id, action_id, theme_id, went_live_on, rollout_days, plan, recorded_at, stages, driver"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        remake_table([*_taken_back()], None)
    else:
        op.drop_constraint(op.f("uq_interventions_action_id"), "interventions", type_="unique")
        for column in _taken_back():
            op.add_column("interventions", column)
    op.create_index(
        "uq_interventions_action_standing",
        "interventions",
        ["action_id"],
        unique=True,
        sqlite_where=sa.text("taken_back_at IS NULL"),
        postgresql_where=sa.text("taken_back_at IS NULL"),
    )


def _taken_back() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("taken_back_at", sa.DateTime(timezone=True)),
        sa.Column("taken_back_by", sa.String(120), server_default="", nullable=False),
        sa.Column("taken_back_reason", sa.Text(), server_default="", nullable=False),
    )


def remake_table(columns: list[sa.Column[object]], unique: sa.UniqueConstraint | None) -> None:
    """Make the table anew on SQLite, which cannot drop a constraint.

    Rows of other tables point to it: that they find it again is checked at the end of the
    transaction, as each row put back settles what points to it.
    """
    op.execute("PRAGMA defer_foreign_keys=ON")
    op.execute(f"CREATE TEMP TABLE kept_interventions AS SELECT {OLD_COLUMNS} FROM interventions")
    op.drop_table("interventions")
    op.create_table(
        "interventions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("theme_id", sa.Integer(), nullable=False),
        sa.Column("went_live_on", sa.Date(), nullable=False),
        sa.Column("rollout_days", sa.Integer(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stages", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("driver", sa.String(60), server_default="", nullable=False),
        *columns,
        sa.CheckConstraint("rollout_days >= 0", name=op.f("ck_interventions_rollout_not_negative")),
        sa.ForeignKeyConstraint(
            ["action_id"], ["actions.id"], name=op.f("fk_interventions_action_id_actions")
        ),
        sa.ForeignKeyConstraint(
            ["theme_id"], ["themes.id"], name=op.f("fk_interventions_theme_id_themes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interventions")),
        *([unique] if unique is not None else []),
    )
    op.execute(
        f"INSERT INTO interventions ({OLD_COLUMNS}) SELECT {OLD_COLUMNS} FROM kept_interventions"
    )
    op.execute("DROP TABLE kept_interventions")
    op.create_index(op.f("ix_interventions_theme_id"), "interventions", ["theme_id"], unique=False)


def downgrade() -> None:
    taken_back = op.get_bind().scalar(
        sa.text("SELECT count(*) FROM interventions WHERE taken_back_at IS NOT NULL")
    )
    if taken_back:
        raise RuntimeError(
            f"Go-lives were taken back here ({taken_back}), and the version before would count "
            "them again. Restore the backup from before the upgrade instead."
        )
    op.drop_index("uq_interventions_action_standing", table_name="interventions")
    name = op.f("uq_interventions_action_id")
    if op.get_bind().dialect.name == "sqlite":
        remake_table([], sa.UniqueConstraint("action_id", name=name))
        return
    for column in ("taken_back_reason", "taken_back_by", "taken_back_at"):
        op.drop_column("interventions", column)
    op.create_unique_constraint(name, "interventions", ["action_id"])
