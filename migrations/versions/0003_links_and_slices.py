"""Contacts say more; their links and the slices of the roll-up are tables of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = (
    "previous_gap_seconds, next_gap_seconds, previous_same_gap_seconds, next_same_gap_seconds, "
    "chain_id, chain_position"
)
FILL_LINKS = (
    f"INSERT INTO contact_links (contact_id, local_day, {COLUMNS}) "
    f"SELECT id, local_day, {COLUMNS} FROM contacts WHERE chain_id IS NOT NULL"
)
FILL_CONTACTS = (
    f"UPDATE contacts SET ({COLUMNS}) = (SELECT {COLUMNS} FROM contact_links "
    "WHERE contact_links.contact_id = contacts.id)"
)
FILL_MESSAGES = (
    "UPDATE messages SET batch_id = "
    "(SELECT batch_id FROM contacts WHERE contacts.id = messages.contact_id)"
)
OLD_KINDS = (
    "contacts.import_file",
    "themes.discover",
    "themes.assign",
    "impact.measure_due",
    "jobs.nightly_round",
    "jobs.housekeeping",
)
NEW_KINDS = (
    "contacts.try_import",
    "contacts.roll_back",
    "contacts.pick_up",
    "contacts.link_customers",
)


def allow_kinds(kinds: tuple[str, ...]) -> None:
    """Let a job be one of these."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint(op.f("ck_jobs_jobkind"), type_="check")
        jobs.create_check_constraint(op.f("ck_jobs_jobkind"), f"kind IN ({listed})")


def upgrade() -> None:
    allow_kinds(OLD_KINDS + NEW_KINDS)
    op.create_table(
        "channel_costs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "channel", sa.String(length=60), nullable=False, comment="Empty is every other channel."
        ),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("pence_per_minute", sa.Double(), nullable=False),
        sa.Column("set_by", sa.String(length=120), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel_costs")),
    )
    op.create_index(
        "ix_channel_costs_channel_day", "channel_costs", ["channel", "valid_from"], unique=False
    )
    op.create_table(
        "daily_slices",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=120), nullable=False),
        sa.Column("contacts", sa.Integer(), nullable=False),
        sa.Column("identified", sa.Integer(), nullable=False),
        sa.Column(
            "themed", sa.Integer(), nullable=False, comment="Identified contacts that have a theme."
        ),
        sa.Column(
            "handled", sa.Integer(), nullable=False, comment="Contacts that have a handle time."
        ),
        sa.Column("handle_seconds", sa.BigInteger(), nullable=False),
        sa.Column(
            "queued",
            sa.Integer(),
            nullable=False,
            comment="Of which it is known whether they gave up.",
        ),
        sa.Column("abandoned", sa.Integer(), nullable=False),
        sa.Column(
            "transferable", sa.Integer(), nullable=False, comment="Of which transfers are known."
        ),
        sa.Column("transferred", sa.Integer(), nullable=False, comment="Handed on at least once."),
        sa.Column(
            "resolution_known", sa.Integer(), nullable=False, comment="Of which the source says it."
        ),
        sa.Column("resolution_yes", sa.Integer(), nullable=False),
        sa.Column(
            "survey_answers",
            sa.Integer(),
            nullable=False,
            comment="Was it resolved? Answers of customers.",
        ),
        sa.Column("survey_yes", sa.Integer(), nullable=False),
        sa.Column("csat_answers", sa.Integer(), nullable=False),
        sa.Column("csat_satisfied", sa.Integer(), nullable=False, comment="4 or 5 of 5."),
        sa.Column("nps_answers", sa.Integer(), nullable=False),
        sa.Column("nps_promoters", sa.Integer(), nullable=False, comment="9 or 10."),
        sa.Column("nps_detractors", sa.Integer(), nullable=False, comment="0 to 6."),
        sa.Column("ces_answers", sa.Integer(), nullable=False),
        sa.Column("ces_hundredths", sa.Integer(), nullable=False, comment="Sum of CES times 100."),
        sa.Column("any_24h", sa.Integer(), nullable=False),
        sa.Column("any_72h", sa.Integer(), nullable=False),
        sa.Column("any_7d", sa.Integer(), nullable=False),
        sa.Column("any_14d", sa.Integer(), nullable=False),
        sa.Column("any_30d", sa.Integer(), nullable=False),
        sa.Column("same_24h", sa.Integer(), nullable=False),
        sa.Column("same_72h", sa.Integer(), nullable=False),
        sa.Column("same_7d", sa.Integer(), nullable=False),
        sa.Column("same_14d", sa.Integer(), nullable=False),
        sa.Column("same_30d", sa.Integer(), nullable=False),
        sa.Column("opening_any_24h", sa.Integer(), nullable=False),
        sa.Column("opening_any_72h", sa.Integer(), nullable=False),
        sa.Column("opening_any_7d", sa.Integer(), nullable=False),
        sa.Column("opening_any_14d", sa.Integer(), nullable=False),
        sa.Column("opening_any_30d", sa.Integer(), nullable=False),
        sa.Column("opening_same_24h", sa.Integer(), nullable=False),
        sa.Column("opening_same_72h", sa.Integer(), nullable=False),
        sa.Column("opening_same_7d", sa.Integer(), nullable=False),
        sa.Column("opening_same_14d", sa.Integer(), nullable=False),
        sa.Column("opening_same_30d", sa.Integer(), nullable=False),
        sa.Column("resolved_any_24h", sa.Integer(), nullable=False),
        sa.Column("resolved_any_72h", sa.Integer(), nullable=False),
        sa.Column("resolved_any_7d", sa.Integer(), nullable=False),
        sa.Column("resolved_any_14d", sa.Integer(), nullable=False),
        sa.Column("resolved_any_30d", sa.Integer(), nullable=False),
        sa.Column("resolved_same_24h", sa.Integer(), nullable=False),
        sa.Column("resolved_same_72h", sa.Integer(), nullable=False),
        sa.Column("resolved_same_7d", sa.Integer(), nullable=False),
        sa.Column("resolved_same_14d", sa.Integer(), nullable=False),
        sa.Column("resolved_same_30d", sa.Integer(), nullable=False),
        sa.Column("beyond_seconds_24h", sa.Integer(), nullable=False),
        sa.Column("beyond_seconds_72h", sa.Integer(), nullable=False),
        sa.Column("beyond_seconds_7d", sa.Integer(), nullable=False),
        sa.Column("beyond_seconds_14d", sa.Integer(), nullable=False),
        sa.Column("beyond_seconds_30d", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "value", name=op.f("pk_daily_slices")),
    )
    op.create_index(
        "ix_daily_slices_kind_value_day", "daily_slices", ["kind", "value", "day"], unique=False
    )
    op.create_table(
        "driver_days",
        sa.Column("driver", sa.String(length=60), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("volume", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("driver", "day", name=op.f("pk_driver_days")),
    )
    op.create_table(
        "due_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_due_days")),
    )
    op.create_table(
        "link_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("rules", sa.JSON(), nullable=False, comment="As the file gave them."),
        sa.Column(
            "report", sa.JSON(), nullable=False, comment="Counts of what was joined and not."
        ),
        sa.Column("started_by", sa.String(length=120), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_runs")),
    )
    op.create_table(
        "link_moves",
        sa.Column("link_run_id", sa.Integer(), nullable=False),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "before_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="Linked with before; null: none.",
        ),
        sa.Column(
            "after_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Linked with now.",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_link_moves_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["link_run_id"], ["link_runs.id"], name=op.f("fk_link_moves_link_run_id_link_runs")
        ),
        sa.PrimaryKeyConstraint("link_run_id", "customer_id", name=op.f("pk_link_moves")),
    )
    op.create_index(op.f("ix_link_moves_customer_id"), "link_moves", ["customer_id"], unique=False)
    op.create_table(
        "metric_goals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("metric", sa.String(length=40), nullable=False),
        sa.Column("window", sa.String(length=8), nullable=False, comment="Empty without window."),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "goal", sa.Double(), nullable=True, comment="In the unit of the metric; null ends it."
        ),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("set_by", sa.String(length=120), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_goals")),
    )
    op.create_index(
        "ix_metric_goals_metric_day", "metric_goals", ["metric", "valid_from"], unique=False
    )
    op.create_table(
        "metric_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=40),
            nullable=False,
            comment="net_exclusions or resolution_queues",
        ),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("entries", sa.JSON(), nullable=False),
        sa.Column("set_by", sa.String(length=120), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_lists")),
    )
    op.create_index(
        "ix_metric_lists_kind_day", "metric_lists", ["kind", "valid_from"], unique=False
    )
    op.create_table(
        "saved_mappings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("format", sa.String(length=40), nullable=False),
        sa.Column(
            "columns_hash",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the sorted column names it was made on, hex.",
        ),
        sa.Column("mapping", sa.JSON(), nullable=False),
        sa.Column("saved_by", sa.String(length=120), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_mappings")),
        sa.UniqueConstraint("name", name=op.f("uq_saved_mappings_name")),
    )
    op.create_index(
        op.f("ix_saved_mappings_columns_hash"), "saved_mappings", ["columns_hash"], unique=False
    )
    op.create_table(
        "customer_keys",
        sa.Column(
            "key_hash",
            sa.String(length=64),
            nullable=False,
            comment="HMAC-SHA-256 of the normalised identifier, hex.",
        ),
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("kind", sa.String(length=20), nullable=False, comment="phone, email, account …"),
        sa.Column("link_run_id", sa.Integer(), nullable=True),
        sa.Column("key_version", sa.SmallInteger(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers.id"],
            name=op.f("fk_customer_keys_customer_id_customers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["link_run_id"], ["link_runs.id"], name=op.f("fk_customer_keys_link_run_id_link_runs")
        ),
        sa.PrimaryKeyConstraint("key_hash", "customer_id", name=op.f("pk_customer_keys")),
    )
    op.create_index(
        op.f("ix_customer_keys_customer_id"), "customer_keys", ["customer_id"], unique=False
    )
    op.create_index(
        op.f("ix_customer_keys_link_run_id"), "customer_keys", ["link_run_id"], unique=False
    )
    op.create_table(
        "contact_links",
        sa.Column(
            "contact_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "local_day",
            sa.Date(),
            nullable=False,
            comment="Of the contact; tells which days change.",
        ),
        sa.Column(
            "previous_gap_seconds", sa.Integer(), nullable=True, comment="To the one before, any."
        ),
        sa.Column(
            "next_gap_seconds", sa.Integer(), nullable=True, comment="To the one after, any."
        ),
        sa.Column(
            "previous_same_gap_seconds",
            sa.Integer(),
            nullable=True,
            comment="Same theme or case.",
        ),
        sa.Column(
            "next_same_gap_seconds", sa.Integer(), nullable=True, comment="Same theme or case."
        ),
        sa.Column(
            "chain_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="Id of the first contact of the episode (headline window, any reason).",
        ),
        sa.Column(
            "chain_position", sa.Integer(), nullable=False, comment="1 is the first of the episode."
        ),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_contact_links")),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "team",
            sa.String(length=60),
            server_default="",
            nullable=False,
            comment="Team of the agent.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "language",
            sa.String(length=8),
            server_default="",
            nullable=False,
            comment="ISO 639-1, said by the source or detected; empty unknown.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "wait_seconds", sa.Integer(), nullable=True, comment="In the queue before an answer."
        ),
    )
    op.add_column(
        "contacts",
        sa.Column("abandoned", sa.Boolean(), nullable=True, comment="Gave up in the queue."),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "transfers",
            sa.Integer(),
            nullable=True,
            comment="Times handed on; legs of one contact.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column("resolved", sa.Boolean(), nullable=True, comment="Resolved, says the source."),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "survey_resolved", sa.Boolean(), nullable=True, comment="Resolved, says the customer."
        ),
    )
    op.add_column(
        "contacts", sa.Column("nps", sa.SmallInteger(), nullable=True, comment="0 to 10.")
    )
    op.add_column(
        "contacts", sa.Column("ces", sa.Double(), nullable=True, comment="1 to 7, 7 is easy.")
    )
    op.add_column(
        "contacts",
        sa.Column(
            "follows_contact_id",
            sa.String(length=120),
            server_default="",
            nullable=False,
            comment="Source id of what this follows up or was merged into.",
        ),
    )
    op.create_index(
        "ix_contacts_follows",
        "contacts",
        ["follows_contact_id"],
        unique=False,
        sqlite_where=sa.text("follows_contact_id <> ''"),
        postgresql_where=sa.text("follows_contact_id <> ''"),
    )
    op.execute(FILL_LINKS)
    op.drop_index("ix_contacts_local_day", table_name="contacts")
    op.create_index(
        "ix_contacts_day_customer", "contacts", ["local_day", "customer_id"], unique=False
    )
    op.drop_index(op.f("ix_contacts_chain"), table_name="contacts")
    op.drop_column("contacts", "chain_id")
    op.drop_column("contacts", "next_gap_seconds")
    op.drop_column("contacts", "previous_gap_seconds")
    op.drop_column("contacts", "next_same_gap_seconds")
    op.drop_column("contacts", "chain_position")
    op.drop_column("contacts", "previous_same_gap_seconds")
    op.add_column(
        "customers",
        sa.Column(
            "key_version",
            sa.SmallInteger(),
            server_default="1",
            nullable=False,
            comment="Keys applied, one upon the other.",
        ),
    )
    op.add_column(
        "customers",
        sa.Column(
            "merged_into_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="The customer this one was linked with, who is linked with nobody further.",
        ),
    )
    op.create_index(
        op.f("ix_customers_merged_into_id"), "customers", ["merged_into_id"], unique=False
    )
    op.add_column(
        "contacts",
        sa.Column(
            "own_customer_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="Whose it was before customers were linked; null: customer_id.",
        ),
    )
    op.create_index(
        "ix_contacts_own_customer",
        "contacts",
        ["own_customer_id"],
        unique=False,
        sqlite_where=sa.text("own_customer_id IS NOT NULL"),
        postgresql_where=sa.text("own_customer_id IS NOT NULL"),
    )
    # the next nightly round adds every day up anew
    op.execute("DELETE FROM daily_rollups")
    op.execute("INSERT INTO due_days (day) SELECT DISTINCT local_day FROM contacts")
    op.add_column(
        "daily_rollups", sa.Column("team", sa.String(length=60), server_default="", nullable=False)
    )
    op.add_column(
        "daily_rollups",
        sa.Column("language", sa.String(length=8), server_default="", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "themed",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Identified contacts that have a theme.",
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "queued",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Of which it is known whether they gave up.",
        ),
    )
    op.add_column(
        "daily_rollups", sa.Column("abandoned", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "transferable",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Of which transfers are known.",
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "transferred",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Handed on at least once.",
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "resolution_known",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Of which the source says it.",
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("resolution_yes", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "survey_answers",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Was it resolved? Answers of customers.",
        ),
    )
    op.add_column(
        "daily_rollups", sa.Column("survey_yes", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "daily_rollups", sa.Column("csat_answers", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "csat_satisfied",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="4 or 5 of 5.",
        ),
    )
    op.add_column(
        "daily_rollups", sa.Column("nps_answers", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "nps_promoters", sa.Integer(), server_default="0", nullable=False, comment="9 or 10."
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "nps_detractors", sa.Integer(), server_default="0", nullable=False, comment="0 to 6."
        ),
    )
    op.add_column(
        "daily_rollups", sa.Column("ces_answers", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column(
        "daily_rollups",
        sa.Column(
            "ces_hundredths",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Sum of CES times 100.",
        ),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("beyond_seconds_24h", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("beyond_seconds_72h", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("beyond_seconds_7d", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("beyond_seconds_14d", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "daily_rollups",
        sa.Column("beyond_seconds_30d", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_index(
        "ix_daily_rollups_disposition_day", "daily_rollups", ["disposition", "day"], unique=False
    )
    op.create_index("ix_daily_rollups_queue_day", "daily_rollups", ["queue", "day"], unique=False)
    op.create_index("ix_daily_rollups_team_day", "daily_rollups", ["team", "day"], unique=False)
    op.add_column(
        "import_batches",
        sa.Column(
            "format",
            sa.String(length=40),
            server_default="csv",
            nullable=False,
            comment="Name of the reader.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "origin",
            sa.String(length=20),
            server_default="command",
            nullable=False,
            comment="upload, command, api or folder.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "mapping_name",
            sa.String(length=80),
            server_default="",
            nullable=False,
            comment="If it was saved.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "replay_of_id",
            sa.Integer(),
            nullable=True,
            comment="The import whose quarantine this one tries again.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "rolled_back_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When what it added was taken out again.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column("rolled_back_by", sa.String(length=120), server_default="", nullable=False),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "held_by",
            sa.String(length=120),
            server_default="",
            nullable=False,
            comment="Process that reads the file: host:pid:random.",
        ),
    )
    op.add_column(
        "import_batches",
        sa.Column(
            "beat_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When it last wrote.",
        ),
    )
    op.add_column(
        "messages",
        sa.Column("batch_id", sa.Integer(), nullable=True, comment="The import that brought it."),
    )
    op.add_column(
        "messages",
        sa.Column(
            "details",
            sa.JSON(),
            nullable=True,
            comment="What it said of its contact, so that the others can be told without it.",
        ),
    )
    op.execute(FILL_MESSAGES)
    op.create_index(op.f("ix_messages_batch_id"), "messages", ["batch_id"], unique=False)
    op.add_column(
        "import_rejects",
        sa.Column(
            "code",
            sa.String(length=40),
            server_default="",
            nullable=False,
            comment="A word for counting.",
        ),
    )
    op.add_column(
        "import_rejects",
        sa.Column(
            "customer_key",
            sa.String(length=64),
            nullable=True,
            comment="Keyed hash where the row names a customer: erased with it.",
        ),
    )
    op.add_column(
        "import_rejects",
        sa.Column(
            "settled_by_id",
            sa.Integer(),
            nullable=True,
            comment="The import that took the corrected row in.",
        ),
    )
    op.create_index(
        op.f("ix_import_rejects_customer_key"), "import_rejects", ["customer_key"], unique=False
    )


def downgrade() -> None:
    listed = ", ".join(f"'{kind}'" for kind in NEW_KINDS)
    op.execute(f"DELETE FROM jobs WHERE kind IN ({listed})")
    allow_kinds(OLD_KINDS)
    op.drop_index(op.f("ix_import_rejects_customer_key"), table_name="import_rejects")
    op.drop_column("import_rejects", "settled_by_id")
    op.drop_column("import_rejects", "customer_key")
    op.drop_column("import_rejects", "code")
    op.drop_index(op.f("ix_messages_batch_id"), table_name="messages")
    op.drop_column("messages", "details")
    op.drop_column("messages", "batch_id")
    op.drop_column("import_batches", "beat_at")
    op.drop_column("import_batches", "held_by")
    op.drop_column("import_batches", "rolled_back_by")
    op.drop_column("import_batches", "rolled_back_at")
    op.drop_column("import_batches", "replay_of_id")
    op.drop_column("import_batches", "mapping_name")
    op.drop_column("import_batches", "origin")
    op.drop_column("import_batches", "format")
    op.drop_index("ix_daily_rollups_team_day", table_name="daily_rollups")
    op.drop_index("ix_daily_rollups_queue_day", table_name="daily_rollups")
    op.drop_index("ix_daily_rollups_disposition_day", table_name="daily_rollups")
    op.drop_column("daily_rollups", "beyond_seconds_30d")
    op.drop_column("daily_rollups", "beyond_seconds_14d")
    op.drop_column("daily_rollups", "beyond_seconds_7d")
    op.drop_column("daily_rollups", "beyond_seconds_72h")
    op.drop_column("daily_rollups", "beyond_seconds_24h")
    op.drop_column("daily_rollups", "ces_hundredths")
    op.drop_column("daily_rollups", "ces_answers")
    op.drop_column("daily_rollups", "nps_detractors")
    op.drop_column("daily_rollups", "nps_promoters")
    op.drop_column("daily_rollups", "nps_answers")
    op.drop_column("daily_rollups", "csat_satisfied")
    op.drop_column("daily_rollups", "csat_answers")
    op.drop_column("daily_rollups", "survey_yes")
    op.drop_column("daily_rollups", "survey_answers")
    op.drop_column("daily_rollups", "resolution_yes")
    op.drop_column("daily_rollups", "resolution_known")
    op.drop_column("daily_rollups", "transferred")
    op.drop_column("daily_rollups", "transferable")
    op.drop_column("daily_rollups", "abandoned")
    op.drop_column("daily_rollups", "queued")
    op.drop_column("daily_rollups", "themed")
    op.drop_column("daily_rollups", "language")
    op.drop_column("daily_rollups", "team")
    op.drop_index("ix_contacts_own_customer", table_name="contacts")
    op.drop_column("contacts", "own_customer_id")
    op.drop_index(op.f("ix_customers_merged_into_id"), table_name="customers")
    op.drop_column("customers", "merged_into_id")
    op.drop_column("customers", "key_version")
    op.add_column(
        "contacts",
        sa.Column(
            "previous_same_gap_seconds",
            sa.INTEGER(),
            autoincrement=False,
            nullable=True,
            comment="Same theme.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "chain_position",
            sa.INTEGER(),
            autoincrement=False,
            nullable=True,
            comment="1 is the first of the episode.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "next_same_gap_seconds",
            sa.INTEGER(),
            autoincrement=False,
            nullable=True,
            comment="Same theme.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "previous_gap_seconds",
            sa.INTEGER(),
            autoincrement=False,
            nullable=True,
            comment="To the one before, any.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "next_gap_seconds",
            sa.INTEGER(),
            autoincrement=False,
            nullable=True,
            comment="To the one after, any.",
        ),
    )
    op.add_column(
        "contacts",
        sa.Column(
            "chain_id",
            sa.BIGINT(),
            autoincrement=False,
            nullable=True,
            comment="Id of the first contact of the episode (headline window, any reason).",
        ),
    )
    op.create_index(op.f("ix_contacts_chain"), "contacts", ["chain_id"], unique=False)
    op.drop_index("ix_contacts_day_customer", table_name="contacts")
    op.create_index("ix_contacts_local_day", "contacts", ["local_day"], unique=False)
    op.drop_index("ix_contacts_follows", table_name="contacts")
    op.drop_column("contacts", "follows_contact_id")
    op.drop_column("contacts", "ces")
    op.drop_column("contacts", "nps")
    op.drop_column("contacts", "survey_resolved")
    op.drop_column("contacts", "resolved")
    op.drop_column("contacts", "transfers")
    op.drop_column("contacts", "abandoned")
    op.drop_column("contacts", "wait_seconds")
    op.drop_column("contacts", "language")
    op.drop_column("contacts", "team")
    op.execute(FILL_CONTACTS)
    op.drop_table("contact_links")
    op.drop_index(op.f("ix_customer_keys_link_run_id"), table_name="customer_keys")
    op.drop_index(op.f("ix_customer_keys_customer_id"), table_name="customer_keys")
    op.drop_table("customer_keys")
    op.drop_index(op.f("ix_link_moves_customer_id"), table_name="link_moves")
    op.drop_table("link_moves")
    op.drop_index(op.f("ix_saved_mappings_columns_hash"), table_name="saved_mappings")
    op.drop_table("saved_mappings")
    op.drop_index("ix_metric_lists_kind_day", table_name="metric_lists")
    op.drop_table("metric_lists")
    op.drop_index("ix_metric_goals_metric_day", table_name="metric_goals")
    op.drop_table("metric_goals")
    op.drop_table("link_runs")
    op.drop_table("due_days")
    op.drop_table("driver_days")
    op.drop_index("ix_daily_slices_kind_value_day", table_name="daily_slices")
    op.drop_table("daily_slices")
    op.drop_index("ix_channel_costs_channel_day", table_name="channel_costs")
    op.drop_table("channel_costs")
