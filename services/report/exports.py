"""Noting in the chain of evidence that a report's file was taken."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from services import clock
from services.access import Person
from services.evidence import chain
from services.evidence.exports import PREFIX
from services.evidence.model import Evidence
from services.store import Store
from services.verdict.model import OUTCOMES, State

if TYPE_CHECKING:
    from services.report.make import Report
    from services.report.seal import Format


def note(store: Store, report: Report, format_: Format, content: bytes, person: Person) -> None:
    """Note that this file was taken. Raises StoreError."""
    found = report.found
    state: State = found["verdict"]["state"]
    record = Evidence(
        environment=found["environment"], check=PREFIX + found["kind"], outcome=OUTCOMES[state], at_ms=clock.now_ms(),
        value=state, code="report.taken", simulated=found["simulated"],
        detail={
            "format": format_,
            "sha256": hashlib.sha256(content).hexdigest(),
            "by": person.name[:120],
            "verified": person.verified,
            "key": person.key,
        },
    )  # fmt: skip
    with store.write() as connection:
        chain.append(store, connection, [record])
