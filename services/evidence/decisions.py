"""What people decided. Confirmations, waivers, sign-offs: records in the same chain as every measurement.

Append-only: what was said stays; saying otherwise is a further record. Each holds who, when, what, and under which
configuration it was said.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from services import access, clock
from services.access import Action, Person
from services.clock import DAY_MS
from services.errors import GreenlightError
from services.evidence import chain, current
from services.evidence.model import Evidence
from services.fingerprint import drift
from services.store import Store, snapshots

if TYPE_CHECKING:
    from services.settings.model import Environment

PREFIX = "confirm."
NAMED = 3  # so many changed variables are named
ACTIONS: Mapping[str, Action] = {
    "campaign": "campaign", "waive_canaries": "waive", "go_request": "request_go", "sign_off": "sign_off",
    "baseline": "baseline", "environment": "configure", "run": "runs", "drill": "drill",
    "quarantine": "quarantine",
}  # fmt: skip
WORDS: Mapping[str, str] = {
    "campaign": "Campaign begun",
    "policy": "May run strict",
    "saved": "Variables saved",
    "waive_canaries": "Canary runs waived",
    "baseline": "Baseline chosen",
    "go_request": "Asked for the Go",
    "sign_off": "Gave the Go",
    "environment": "Settings changed",
    "run": "Run changed",
    "drill": "Deploy drill started",
    "quarantine": "Quarantine of a case",
}
KINDS = tuple(WORDS)


class Refused(GreenlightError):
    """Something that may not be decided so; the message is a sentence with what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """One decision as recorded. `holds`: said yes; False: taken back."""

    environment: str
    kind: str
    holds: bool
    by: str
    verified: bool
    note: str
    at_ms: int
    number: int
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def who(self) -> str:
        """By whom, in words: marked where nobody vouches for the name."""
        return access.named(self.by, verified=self.verified)


ONCE = frozenset({"policy", "saved"})  # confirmed until it is taken back; a campaign or a waiver may follow another


def decide(
    store: Store, environment: Environment, kind: str, person: Person, *, note: str, holds: bool = True,
    more: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """Record a decision. Raises Forbidden, Refused without a name or a note, or where it stands already, StoreError."""
    access.require(person, ACTIONS.get(kind, "confirm"))
    with store.write() as connection:
        store.lock_chain(connection)  # two tabs may confirm the same at once
        standing = newest(connection, environment.name, kind) if holds and kind in ONCE else None
        if standing is not None:
            raise Refused(already(standing))
        write(store, connection, environment.name, kind, person, simulated=environment.simulated, note=note,
              holds=holds, more=more)  # fmt: skip


def write(
    store: Store, connection: Connection, environment: str, kind: str, person: Person, *, simulated: bool, note: str,
    holds: bool = True, more: Mapping[str, Any] | None = None,
) -> None:  # fmt: skip
    """The same in a transaction of the caller's."""
    access.require(person, ACTIONS.get(kind, "confirm"))
    name, said = access.plain(person.name), access.plain(note)
    if not name:
        raise Refused("Enter your name.")
    if not said:
        raise Refused("Write a note: what was decided, and where it is written down.")
    now = clock.now_ms()
    context = current.context(connection, environment)
    record = Evidence(
        environment=environment,
        check=PREFIX + kind,
        outcome="pass" if holds else "fail",
        at_ms=now,
        value=name[:120],
        code=f"decision.{kind}",
        version=None,
        fingerprint=None,
        simulated=simulated,
        detail={
            "by": name[:120],
            "verified": person.verified,
            "role": person.role,
            "key": person.key,
            "note": said[:1000],
            "under_fingerprint": context.fingerprint,
            "under_version": context.version,
            "under_policy": current.policy(connection, environment),
        }
        | dict(more or {}),
    )
    chain.append(store, connection, [record])


def already(standing: Decision) -> str:
    """What the second of two people is told who decide the same."""
    when = f"{clock.from_ms(standing.at_ms):%d %b %Y, %H:%M} UTC"
    return f"{standing.who} confirmed this already, {when}. To confirm it again, take it back first."


@dataclass(frozen=True, slots=True)
class Log:
    """What was decided on an environment, of every kind, newest first; read at once."""

    said: tuple[Decision, ...]

    def of(self, kind: str) -> tuple[Decision, ...]:
        """Decisions of a kind, newest first."""
        return tuple(decision for decision in self.said if decision.kind == kind)

    def newest(self, kind: str) -> Decision | None:
        """The last word on it; None where nothing was said, or it was taken back."""
        found = next(iter(self.of(kind)), None)
        return found if found is not None and found.holds else None


def log(connection: Connection, environment: str) -> Log:
    """The log of an environment: the newest 50 of each kind."""
    found = chain.histories(connection, environment, [PREFIX + kind for kind in KINDS], limit=50)
    return Log(tuple(_decision(number, record) for number, record in found))


def history(connection: Connection, environment: str, kind: str, limit: int = 50) -> tuple[Decision, ...]:
    """Decisions of a kind, newest first."""
    found = chain.history(connection, environment, check=PREFIX + kind, limit=limit)
    return tuple(_decision(number, record) for number, _, record in found)


def everywhere(connection: Connection, kind: str, limit: int = 20) -> tuple[Decision, ...]:
    """Decisions of a kind on any environment, newest first."""
    return tuple(_decision(number, record) for number, record in chain.of_all(connection, PREFIX + kind, limit))


def newest(connection: Connection, environment: str, kind: str) -> Decision | None:
    """The last word on it; None where nothing was said, or it was taken back."""
    found = next(iter(history(connection, environment, kind, limit=1)), None)
    return found if found is not None and found.holds else None


def changed_since(connection: Connection, decision: Decision) -> tuple[str, ...]:
    """What changed since it was said, in words: `its variables changed (NEW was added)`; () where nothing did.

    What isn't known now, as the version of an application that doesn't answer, has not changed.
    """
    said, name = decision.detail, decision.environment
    now, policy = current.context(connection, name), current.policy(connection, name)
    version, enforced = said.get("under_version"), said.get("under_policy")
    found = []
    if said.get("under_fingerprint") != now.fingerprint:
        found.append(f"its variables changed{_which(connection, decision)}")
    if None not in {version, now.version} and version != now.version:
        found.append(f"its version changed ({version} then, {now.version} now)")
    if None not in {enforced, policy} and enforced != policy:
        found.append(f"its policy changed ({policy} now)")
    return tuple(found)


def _which(connection: Connection, decision: Decision) -> str:
    """Which variables changed, by name; "" where that is not known."""
    before = snapshots.at(connection, decision.environment, decision.at_ms)
    after = snapshots.newest(connection, decision.environment)
    if before is None or after is None or before.fingerprint != decision.detail.get("under_fingerprint"):
        return ""
    found = drift(before, after)
    if not found.comparable:
        return ""
    said = [f"{key} was added" for key in found.added] + [f"{key} was taken out" for key in found.removed]
    said += [f"{key} changed" for key in sorted({*found.changed, *found.emptied, *found.filled})]
    more = [f"{len(said) - NAMED} more"] if len(said) > NAMED else []
    return f" ({', '.join([*said[:NAMED], *more])})" if said else ""


def _decision(number: int, record: Evidence) -> Decision:
    detail = dict(record.detail)
    return Decision(
        environment=record.environment,
        kind=record.check.removeprefix(PREFIX),
        holds=record.outcome == "pass",
        by=str(detail.get("by", "")),
        verified=detail.get("verified") is True,
        note=str(detail.get("note", "")),
        at_ms=record.at_ms,
        number=number,
        detail=detail,
    )


def waive_canaries(store: Store, environment: Environment, person: Person, *, note: str, days: int) -> None:
    """Let a soak pass without its canary runs, for some days, by name and with a reason. Raises Refused."""
    if not 1 <= days <= 30:
        raise Refused("A waiver lasts from 1 to 30 days.")
    until = clock.now_ms() + days * DAY_MS
    decide(store, environment, "waive_canaries", person, note=note, more={"until_ms": until})


def waived_canaries(connection: Connection, environment: str, now_ms: int) -> str:
    """By whom and why the canaries are waived now; "" where they aren't."""
    found = newest(connection, environment, "waive_canaries")
    if found is None or int(found.detail.get("until_ms", 0)) < now_ms:
        return ""
    return f"{found.by}: {found.note}"


def begin_campaign(store: Store, environment: Environment, person: Person, *, note: str) -> str:
    """Begin a campaign towards strict mode; returns its id."""
    id_ = f"{clock.now():%Y%m%d}-{secrets.token_hex(3)}"
    decide(store, environment, "campaign", person, note=note, more={"campaign": id_})
    return id_
