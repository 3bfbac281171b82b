"""What judges said of sealed answers, cases in quarantine, and what people say of answers."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0010"
ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("ended_ms IS NULL")


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "replay_sealed",
        sa.Column("run_id", sa.String(40), primary_key=True),
        sa.Column("judge", sa.String(200), primary_key=True),
        sa.Column("answer", sa.String(80), primary_key=True),
        sa.Column("criterion", sa.String(80), primary_key=True),
        sa.Column("judge_sha256", sa.String(64), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Boolean, nullable=False),
        sa.Column("passed", sa.Boolean),
        sa.Column("score", sa.Float),
    )
    op.create_index("replay_sealed_by_judge", "replay_sealed", ["judge_sha256", "at_ms"])
    op.create_table(
        "replay_quarantine",
        sa.Column("id", ID, primary_key=True),
        sa.Column("golden_name", sa.String(80), nullable=False),
        sa.Column("case_id", sa.String(80), nullable=False),
        sa.Column("owner", sa.String(120), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("put_by", sa.String(140), nullable=False),
        sa.Column("reminded_ms", sa.BigInteger),
        sa.Column("ended_ms", sa.BigInteger),
        sa.Column("ended_by", sa.String(140), nullable=False),
    )
    op.create_index("replay_quarantine_by_set", "replay_quarantine", ["golden_name", "until_ms"])
    op.create_index(
        "replay_quarantine_one_open", "replay_quarantine", ["golden_name", "case_id"],
        unique=True, sqlite_where=OPEN, postgresql_where=OPEN,
    )  # fmt: skip
    op.create_table(
        "replay_labels",
        sa.Column("id", ID, primary_key=True),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("criterion", sa.String(80), nullable=False),
        sa.Column("person", sa.String(64), nullable=False),
        sa.Column("by", sa.String(140), nullable=False),
        sa.Column("label", sa.String(8), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("run_id", "position", "criterion", "person"),
    )
    op.create_index("replay_labels_by_person", "replay_labels", ["person", "at_ms"])
