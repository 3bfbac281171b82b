"""Finished Inngest runs, each kept once; and who ran which due moment of a schedule."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "inngest_runs",
        sa.Column("environment", sa.String(40), primary_key=True),
        sa.Column("run_id", sa.String(60), primary_key=True),
        sa.Column("function", sa.String(120), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("wait_s", sa.Float),
        sa.Column("took_s", sa.Float),
        sa.UniqueConstraint("environment", "at_ms"),
    )
    op.create_table(
        "schedule_runs",
        sa.Column("duty", sa.String(80), primary_key=True),
        sa.Column("due_ms", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("by", sa.String(10), nullable=False),
        sa.Column("worker", sa.String(80), nullable=False),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
