"""Text that should never have been stored, taken out of it: secrets, and what was taken for the name of a variable.

Evidence is append-only and chained, so a redacted record keeps its hash, and a redaction record, itself in the chain,
states which records were changed and what their contents are now. Decision record 0017.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from services.evidence import chain
from services.evidence.model import REDACTED, Evidence, Redaction, body_sha256
from services.store import Store, schema
from services.store.append_only import lifted

Clean = Callable[[str], str]

PREFIX = "[redacted "
SHORTEST = 6  # characters: a shorter text would be found in everything
# A key's name in findings of the validator, in lists of missing keys, and in snapshots (name: mark of 32 hex digits).
_NAMES = re.compile(r'("key":\s*")((?:[^"\\]|\\.)+)(")|(")((?:[^"\\]|\\.)+)(":\s*"(?:[0-9a-f]{32})?")')

# Columns that hold text from outside, beside evidence: table, key columns, text columns.
PLACES: tuple[tuple[Table, tuple[str, ...], tuple[str, ...]], ...] = (
    (schema.env_snapshots, ("id",), ("marks",)),
    (schema.conditions, ("environment", "probe"), ("detail",)),
    (schema.jobs, ("id",), ("message", "requested_by")),
    (schema.replay_runs, ("id",), ("agent", "options", "summary", "message", "requested_by")),
    (schema.replay_results, ("run_id", "position"), ("body",)),
    (schema.deploys, ("id",), ("version", "note")),
    (schema.maintenance, ("id",), ("reason", "declared_by", "withdrawn_by")),
    (schema.workers, ("id",), ("trouble",)),
    (schema.inngest_runs, ("environment", "run_id"), ("function",)),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One stored text and what it becomes; the repr shows neither."""

    table: str
    key: dict[str, Any]
    column: str
    after: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a redaction would change: evidence by number, and rows elsewhere."""

    evidence: tuple[tuple[int, str, str], ...] = field(repr=False)  # seq, hash, content afterwards
    rows: tuple[Change, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many records or rows, by table."""
        found = {"evidence": len(self.evidence)} if self.evidence else {}
        for name in sorted({change.table for change in self.rows}):
            found[name] = len({tuple(c.key.items()) for c in self.rows if c.table == name})
        return found


def cleaner(secrets: Iterable[str], *, mark: Clean, names: bool, plausible: Callable[[str], bool]) -> Clean:
    """What takes the secrets out of a text, each replaced by its keyed hash; with `names`, what is no plausible name
    of a variable too, where findings and snapshots hold names."""
    wanted = sorted({s for s in secrets if len(s) >= SHORTEST}, key=len, reverse=True)

    def clean(stored: str) -> str:
        for secret in wanted:
            for form in {secret, json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]}:
                stored = stored.replace(form, _replaced(mark(secret)))
        return _NAMES.sub(lambda hit: _name(hit, mark, plausible), stored) if names else stored

    return clean


def _name(hit: re.Match[str], mark: Clean, plausible: Callable[[str], bool]) -> str:
    before, name, after = (hit[1], hit[2], hit[3]) if hit[1] is not None else (hit[4], hit[5], hit[6])
    real = json.loads(f'"{name}"')
    if plausible(real) or real.startswith(PREFIX):
        return hit[0]
    return f"{before}{_replaced(mark(real))}{after}"


def _replaced(mark: str) -> str:
    return f"{PREFIX}{mark}]"


def plan(connection: Connection, clean: Clean) -> Plan:
    """Everything that would change."""
    rows = connection.execute(select(schema.evidence.c.seq, schema.evidence.c.hash, schema.evidence.c.body))
    records = [(row.seq, row.hash, after) for row in rows if (after := clean(row.body)) != row.body]
    return Plan(evidence=tuple(records), rows=tuple(_rows(connection, clean)))


def _rows(connection: Connection, clean: Clean) -> Iterator[Change]:
    for table, keys, columns in PLACES:
        for row in connection.execute(select(*(table.c[name] for name in (*keys, *columns)))):
            for column in columns:
                stored = getattr(row, column)
                after = clean(stored) if isinstance(stored, str) else stored
                if after != stored:
                    yield Change(table=table.name, key={k: getattr(row, k) for k in keys}, column=column, after=after)


def apply(store: Store, connection: Connection, made: Plan, *, environment: str, by: str, now_ms: int) -> None:
    """Write a plan and its redaction record, in this one transaction."""
    for change in made.rows:
        table = schema.metadata.tables[change.table]
        where = [table.c[name] == value for name, value in change.key.items()]
        connection.execute(update(table).where(*where).values({change.column: change.after}))
    if not made.evidence:
        return
    store.lock_chain(connection)
    with_bodies = update(schema.evidence).where(schema.evidence.c.seq == bindparam("at")).values(body=bindparam("now"))
    with lifted(connection, "UPDATE"):
        connection.execute(with_bodies, [{"at": seq, "now": body} for seq, _, body in made.evidence])
    chain.append(store, connection, _records(made.evidence, environment, by, now_ms))


def _records(changed: Sequence[tuple[int, str, str]], environment: str, by: str, now_ms: int) -> list[Evidence]:
    """One record states up to a thousand; a later redaction of the same record counts."""
    found = []
    for start in range(0, len(changed), 1000):
        stated = [
            asdict(Redaction(seq=seq, hash=link, body_sha256=body_sha256(body)))
            for seq, link, body in changed[start : start + 1000]
        ]
        found.append(
            Evidence(environment=environment, check=REDACTED, outcome="unknown", at_ms=now_ms, value=len(stated),
                     code=REDACTED, detail={"by": by, "records": stated})
        )  # fmt: skip
    return found
