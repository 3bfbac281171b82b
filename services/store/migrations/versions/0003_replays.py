"""Replay runs, their results, the golden sets that they used, baselines."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "golden_sets",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "replay_runs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("started_ms", sa.BigInteger),
        sa.Column("finished_ms", sa.BigInteger),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("runner", sa.String(10), nullable=False),
        sa.Column("requested_by", sa.String(120), nullable=False),
        sa.Column("environment", sa.String(40), nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("subset", sa.String(40), nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("golden_name", sa.String(80), nullable=False),
        sa.Column("golden_sha256", sa.String(64), nullable=False),
        sa.Column("judge_sha256", sa.String(64), nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(15), nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
    )
    op.create_index("replay_runs_by_time", "replay_runs", ["created_ms"])
    op.create_index("replay_runs_by_state", "replay_runs", ["state"])
    op.create_table(
        "replay_results",
        sa.Column("run_id", sa.String(40), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("case_id", sa.String(80), nullable=False),
        sa.Column("repeat", sa.Integer, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("owner", sa.String(80)),
        sa.Column("lease_until_ms", sa.BigInteger),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("replay_results_by_state", "replay_results", ["run_id", "state", "position"])
    op.create_table(
        "replay_baselines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("golden_name", sa.String(80), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("chosen_by", sa.String(120), nullable=False),
    )
