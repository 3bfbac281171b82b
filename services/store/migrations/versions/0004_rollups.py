"""Roll-ups of samples, deploys, declared maintenance. Series are rolled up by the worker when it starts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables, widen the others."""
    op.add_column("series", sa.Column("closed_ms", sa.BigInteger))
    op.add_column("series", sa.Column("rolled_by", sa.SmallInteger))
    op.add_column("samples", sa.Column("interval_s", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "rollups",
        sa.Column("tier", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("good", sa.Integer, nullable=False),
        sa.Column("bad", sa.Integer, nullable=False),
        sa.Column("covered_ms", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Float, nullable=False),
        sa.Column("lowest", sa.Float),
        sa.Column("highest", sa.Float),
        sa.Column("p50", sa.Float),
        sa.Column("p95", sa.Float),
        sa.Column("p99", sa.Float),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deploys",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("version", sa.String(120), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.UniqueConstraint("environment", "at_ms", "version"),
    )
    op.create_table(
        "maintenance",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("declared_by", sa.String(120), nullable=False),
        sa.Column("declared_ms", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_by", sa.String(120)),
        sa.Column("withdrawn_ms", sa.BigInteger),
    )
    op.create_index("maintenance_by_time", "maintenance", ["environment", "until_ms"])
