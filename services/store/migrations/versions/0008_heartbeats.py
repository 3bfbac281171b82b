"""The calls of jobs that report to us."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "heartbeats",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("signal", sa.String(10), nullable=False),
        sa.Column("exit_status", sa.Integer),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_index("heartbeats_by_job", "heartbeats", ["environment", "name", "id"])
