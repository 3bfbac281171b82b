"""What was read last of each kind, per environment; and all that is known of a deploy."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table, and the column."""
    op.create_table(
        "readings",
        sa.Column("environment", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(40), primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.add_column("deploys", sa.Column("detail", sa.Text, nullable=False, server_default="{}"))
