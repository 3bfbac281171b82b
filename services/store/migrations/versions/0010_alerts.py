"""Alerts, what happened to them, and the outbox of messages."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("cause", sa.String(160), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("told_ms", sa.BigInteger),
        sa.Column("well_ms", sa.BigInteger),
        sa.Column("flapping", sa.Boolean, nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger),
        sa.Column("acknowledged_by", sa.String(140), nullable=False),
        sa.Column("reminded_ms", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("alerts_by_state", "alerts", ["state", "environment"])
    op.create_index("alerts_by_time", "alerts", ["opened_ms"])
    op.create_index(
        "alerts_one_open", "alerts", ["environment", "cause"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_table(
        "alert_events",
        sa.Column("id", ID, primary_key=True),
        sa.Column("alert_id", sa.String(20), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("by", sa.String(140), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("alert_events_by_alert", "alert_events", ["alert_id", "id"])
    op.create_table(
        "deliveries",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(60), nullable=False, unique=True),
        sa.Column("alert_id", sa.String(20), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tried_ms", sa.BigInteger),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("sent_ms", sa.BigInteger),
        sa.Column("seen_ms", sa.BigInteger),
        sa.Column("seen_by", sa.String(140), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("deliveries_due", "deliveries", ["state", "due_ms"])
    op.create_index("deliveries_by_alert", "deliveries", ["alert_id"])
    op.create_index("deliveries_by_channel", "deliveries", ["channel", "tried_ms"])
