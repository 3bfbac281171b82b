"""The outbox: messages that wait for their channel, written with the change that causes them. Rows in, rows out.

At least once: a row is marked as sent after the channel accepted it. A worker that is killed between the two has its
lease lapse, and another sends the message again, with the same key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.store.claims import lapsed
from services.store.schema import deliveries as table

WAITING, SENT, DEAD = "waiting", "sent", "dead"
TEST = "test"
LIMITED = "limited"  # the code of a try to which the service answered that it takes no more for now


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A message to a channel. `code` and `status` are of the last try; `key` is the same however often it is sent."""

    id: int = 0  # given by the store
    key: str
    alert_id: str
    channel: str
    kind: str
    severity: str
    state: str = WAITING
    made_ms: int
    due_ms: int
    tries: int = 0
    tried_ms: int | None = None
    code: str = ""
    status: int | None = None
    sent_ms: int | None = None
    seen_ms: int | None = None
    seen_by: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelState:
    """What is known of a channel: its newest try and when something was accepted last; None where nothing was."""

    channel: str
    code: str
    status: int | None
    tried_ms: int | None
    accepted_ms: int | None
    waiting: int
    dead: int
    oldest_due_ms: int | None


_COLUMNS = tuple(f.name for f in fields(Delivery))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in _COLUMNS} | {"body": json.loads(row.body)})


def put(connection: Connection, items: Sequence[Delivery]) -> None:
    """Put messages in; one with a key that is there already is the same message."""
    if not items:
        return
    made = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    rows = [
        {name: getattr(item, name) for name in _COLUMNS if name != "id"}
        | {"body": json.dumps(dict(item.body), ensure_ascii=False, separators=(",", ":"))}
        for item in items
    ]
    connection.execute(made.on_conflict_do_nothing(), rows)


def _due(now_ms: int, but: Collection[str]) -> ColumnElement[bool]:
    """Due, free, not before an earlier message about the same alert, and not while the service wants a pause."""
    free = or_(table.c.owner.is_(None), lapsed(table.c.lease_until_ms, now_ms))
    other = table.alias()
    later = and_(other.c.channel == table.c.channel, other.c.state == WAITING, other.c.due_ms > now_ms)
    earlier = and_(other.c.alert_id == table.c.alert_id, other.c.alert_id != "", other.c.id < table.c.id)
    held = exists().where(later, or_(earlier, other.c.code == LIMITED))
    due = and_(table.c.state == WAITING, table.c.due_ms <= now_ms, free, ~held)
    return and_(due, table.c.channel.not_in(tuple(but))) if but else due


def any_due(connection: Connection, now_ms: int, but: Collection[str] = ()) -> bool:
    """Whether a message can be claimed, without locking anything. `but`: channels at which something is sent now."""
    return connection.execute(select(table.c.id).where(_due(now_ms, but)).limit(1)).first() is not None


def claim(
    connection: Connection, owner: str, *, now_ms: int, lease_ms: int, most: int, but: Collection[str] = ()
) -> tuple[Delivery, ...]:
    """Take the due messages of one channel, oldest first; () where there are none, or another worker is at it.

    Of one channel at a time, and nobody else meanwhile: an alert's end never overtakes its opening.
    """
    held = select(table.c.channel).where(
        table.c.state == WAITING, table.c.owner.is_not(None), table.c.owner != owner,
        ~lapsed(table.c.lease_until_ms, now_ms),
    )  # fmt: skip
    query = select(table.c.channel).where(_due(now_ms, but), table.c.channel.not_in(held))
    channel = connection.execute(query.order_by(table.c.due_ms, table.c.id).limit(1)).scalar()
    if channel is None:
        return ()
    oldest = select(table.c.id).where(_due(now_ms, but), table.c.channel == channel).order_by(table.c.id).limit(most)
    if connection.dialect.name == "postgresql":
        oldest = oldest.with_for_update(skip_locked=True)
    taken = connection.execute(
        update(table)
        .where(table.c.id.in_(oldest.scalar_subquery()), _due(now_ms, but))
        .values(owner=owner, lease_until_ms=now_ms + lease_ms)
        .returning(*(table.c[name] for name in _COLUMNS))
    )
    return tuple(sorted((_delivery(row) for row in taken), key=lambda item: item.id))


def accepted(connection: Connection, ids: Collection[int], *, now_ms: int, status: int | None) -> None:
    """The channel took them."""
    values = {"state": SENT, "sent_ms": now_ms, "tried_ms": now_ms, "code": "", "status": status, "owner": None}
    connection.execute(
        update(table).where(table.c.id.in_(tuple(ids))).values(**values, lease_until_ms=None, tries=table.c.tries + 1)
    )


def failed(connection: Connection, id_: int, *, now_ms: int, code: str, status: int | None, due_ms: int | None) -> None:
    """A try failed; it is due again then, or never (None): a dead letter."""
    values: dict[str, Any] = {"tried_ms": now_ms, "code": code, "status": status, "owner": None, "lease_until_ms": None}
    values |= {"state": DEAD} if due_ms is None else {"due_ms": due_ms}
    connection.execute(update(table).where(table.c.id == id_).values(**values, tries=table.c.tries + 1))


def postpone(connection: Connection, channel: str, *, until_ms: int) -> None:
    """Whatever waits for a channel is due then at the earliest: the service asked for a pause."""
    waits = and_(table.c.channel == channel, table.c.state == WAITING, table.c.due_ms < until_ms)
    connection.execute(update(table).where(waits).values(due_ms=until_ms))


def release(connection: Connection, ids: Collection[int], owner: str) -> None:
    """Give back some of what this worker took, untried."""
    mine = and_(table.c.id.in_(tuple(ids)), table.c.owner == owner, table.c.state == WAITING)
    connection.execute(update(table).where(mine).values(owner=None, lease_until_ms=None))


def hand_back(connection: Connection, owner: str) -> None:
    """Let others send what this worker holds."""
    connection.execute(
        update(table).where(table.c.owner == owner, table.c.state == WAITING).values(owner=None, lease_until_ms=None)
    )


def send_again(connection: Connection, id_: int, *, now_ms: int) -> bool:
    """Put a dead letter back; False where it is none."""
    values = {"state": WAITING, "due_ms": now_ms, "made_ms": now_ms, "tries": 0}
    return bool(
        connection.execute(update(table).where(table.c.id == id_, table.c.state == DEAD).values(**values)).rowcount
    )


def seen(connection: Connection, id_: int, *, by: str, now_ms: int) -> bool:
    """Note that a test's link was opened; False where it was already: it counts once."""
    first = and_(table.c.id == id_, table.c.kind == TEST, table.c.seen_ms.is_(None))
    return bool(connection.execute(update(table).where(first).values(seen_ms=now_ms, seen_by=by[:140])).rowcount)


def get(connection: Connection, id_: int) -> Delivery | None:
    """One message, or None."""
    return next(iter(_found(connection, select(table).where(table.c.id == id_))), None)


def of_key(connection: Connection, key: str) -> Delivery | None:
    """The message with that key, or None."""
    return next(iter(_found(connection, select(table).where(table.c.key == key))), None)


def of_alerts(connection: Connection, ids: Sequence[str]) -> tuple[Delivery, ...]:
    """The messages of these alerts, oldest first."""
    return _found(connection, select(table).where(table.c.alert_id.in_(tuple(ids))).order_by(table.c.id))


def newest(connection: Connection, *, since_ms: int, limit: int = 5000) -> tuple[Delivery, ...]:
    """The messages made since then, newest first."""
    return _found(connection, select(table).where(table.c.made_ms >= since_ms).order_by(table.c.id.desc()).limit(limit))


def dead(connection: Connection, limit: int = 100) -> tuple[Delivery, ...]:
    """Messages that are not tried again by themselves, newest first."""
    return _found(connection, select(table).where(table.c.state == DEAD).order_by(table.c.id.desc()).limit(limit))


def last_of_kind(connection: Connection, channel: str, kind: str) -> Delivery | None:
    """The newest message of a kind to a channel."""
    query = select(table).where(table.c.channel == channel, table.c.kind == kind)
    return next(iter(_found(connection, query.order_by(table.c.id.desc()).limit(1))), None)


def last_seen(connection: Connection, channel: str) -> Delivery | None:
    """The newest test of a channel whose link was opened."""
    query = select(table).where(table.c.channel == channel, table.c.seen_ms.is_not(None))
    return next(iter(_found(connection, query.order_by(table.c.seen_ms.desc()).limit(1))), None)


def _found(connection: Connection, query: Select[Any]) -> tuple[Delivery, ...]:
    return tuple(_delivery(row) for row in connection.execute(query))


def states(connection: Connection, channels: Collection[str]) -> dict[str, ChannelState]:
    """How each of these channels stands."""
    return {name: _state(connection, name) for name in channels}


def _state(connection: Connection, channel: str) -> ChannelState:
    own = table.c.channel == channel
    last = connection.execute(
        select(table.c.code, table.c.status, table.c.tried_ms)
        .where(own, table.c.tried_ms.is_not(None)).order_by(table.c.tried_ms.desc(), table.c.id.desc()).limit(1)
    ).first()  # fmt: skip
    accepted_ms = connection.scalar(select(func.max(table.c.sent_ms)).where(own))
    counted = (
        select(table.c.state, func.count().label("number")).where(own, table.c.state != SENT).group_by(table.c.state)
    )
    counts: dict[str, int] = {row.state: row.number for row in connection.execute(counted)}
    oldest = connection.scalar(select(func.min(table.c.due_ms)).where(own, table.c.state == WAITING))
    return ChannelState(
        channel=channel, code="" if last is None else last.code, status=None if last is None else last.status,
        tried_ms=None if last is None else last.tried_ms, accepted_ms=accepted_ms, waiting=counts.get(WAITING, 0),
        dead=counts.get(DEAD, 0), oldest_due_ms=oldest,
    )  # fmt: skip


def failing_tries(connection: Connection, channel: str) -> int:
    """The most tries that a message of this channel needed so far, of those that wait."""
    query = select(func.max(table.c.tries)).where(table.c.channel == channel, table.c.state == WAITING)
    return connection.scalar(query) or 0


def oldest_overdue(connection: Connection) -> int | None:
    """When the oldest message was due that nobody has tried yet; None where none is."""
    query = select(func.min(table.c.due_ms)).where(table.c.state == WAITING, table.c.tries == 0)
    found: int | None = connection.scalar(query)
    return found


def drop_before(connection: Connection, moment_ms: int) -> int:
    """Forget messages that were sent before then; returns how many. Dead letters stay until somebody sends them."""
    return connection.execute(delete(table).where(table.c.state == SENT, table.c.sent_ms < moment_ms)).rowcount
