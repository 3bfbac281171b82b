"""Evidence can't be replaced either: SQLite's REPLACE deletes without asking the triggers on DELETE."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Refuse to insert what is there already."""
    if op.get_bind().dialect.name != "sqlite":
        return  # PostgreSQL knows no REPLACE, and its triggers see an upsert's UPDATE
    op.execute(
        "CREATE TRIGGER evidence_no_replace BEFORE INSERT ON evidence WHEN EXISTS (SELECT 1 FROM evidence WHERE "
        "seq = NEW.seq OR hash = NEW.hash OR previous_hash = NEW.previous_hash) "
        "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
    )
