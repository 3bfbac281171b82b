"""Judges regularly what changes with time, and what others than the collector store; writes records and digests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from services import causes, clock, summary
from services.alerts import digest, writing
from services.alerts.setup import AlertSetup
from services.clock import DAY_MS
from services.errors import StoreError
from services.redact import fault
from services.settings.model import Settings
from services.store import Store, alerts, claims, outbox, workers
from services.store.workers import SILENT_AFTER_MS

log = logging.getLogger(__name__)
JUDGE_S = 1.0
OWN_S, RECORDS_S, DIGESTS_S = 2.0, 10.0, 30.0
TROUBLE_LASTS_S = 60.0


class Judge:
    """Judges regularly what time changes, and what is stored by others than the collector."""

    def __init__(
        self, store: Store, settings: Settings, setup: AlertSetup, *, owner: str, holds: Callable[[str], bool]
    ) -> None:
        self._store, self._settings, self._setup = store, settings, setup
        self._owner, self._holds = owner, holds
        self._done: dict[tuple[str, str], float] = {}
        self._troubles: dict[str, tuple[str, float]] = {}
        self._since_ms = clock.now_ms()
        self._failing: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled; one source's trouble is its own."""
        while True:
            await asyncio.sleep(JUDGE_S)
            for name in self._settings.names:
                if self._holds(name):
                    await self._try(f"states of {name}", partial(self._states, name))
                    for source in causes.SOURCES:
                        if self._is_due(source.name, name, source.every_s):
                            await self._try(f"{source.name} of {name}", partial(self._source, source, name))
            if self._is_due("own", "", OWN_S) and await self._try("the lease", self._may_judge_own):
                await self._try("Greenlight itself", self._own)
                for part, every_s, work in (
                    ("records", RECORDS_S, self._records),
                    ("digests", DIGESTS_S, self._digests),
                ):
                    if self._is_due(part, "", every_s):
                        await self._try(part, work)

    def _is_due(self, part: str, name: str, every_s: float) -> bool:
        now = asyncio.get_running_loop().time()
        if now - self._done.get((part, name), float("-inf")) < every_s:
            return False
        self._done[part, name] = now
        return True

    async def _try(self, what: str, work: Callable[[], object]) -> object:
        try:
            found = await asyncio.to_thread(work)
            self._failing.pop(what, None)
            return found
        except StoreError as error:
            log.debug("alerts of %s could not be judged: %s", what, error)
        except Exception as error:  # noqa: BLE001 - the other sources are judged all the same
            if self._failing.get(what) != (found := fault(error)):
                log.error("alerts of %s can't be judged: %s", what, found)
            self._failing[what] = found
        return None

    def _states(self, name: str) -> int:
        return causes.judge_states(self._store, self._setup, name, clock.now_ms())

    def _source(self, source: causes.Source, name: str) -> int:
        return causes.judge_source(self._store, self._settings, self._setup, source, name, clock.now_ms())

    def _may_judge_own(self) -> bool:
        with self._store.write() as connection:
            now = clock.now_ms()
            return claims.take(connection, "alerts:own", self._owner, now_ms=now, lease_ms=SILENT_AFTER_MS)

    def _own(self) -> int:
        now = clock.now_ms()
        with self._store.read() as connection:
            alive = [w for w in workers.load(connection) if now - w.seen_ms <= SILENT_AFTER_MS]
        troubles = {w.id: self._troubles.get(w.id, ("", now))[1] for w in alive if w.trouble}
        self._troubles = {w.id: (w.trouble, troubles[w.id]) for w in alive if w.trouble}
        lasting = {id_: text for id_, (text, since) in self._troubles.items() if now - since >= TROUBLE_LASTS_S * 1000}
        return causes.judge_own(self._store, self._settings, self._setup, now, troubles=lasting)

    def _records(self) -> int:
        return causes.write_records(self._store, self._settings, clock.now_ms())

    def _digests(self) -> int:
        """Write the digests that are due; each moment's once, by the first worker that comes."""
        now = clock.now_ms()
        with self._store.read() as connection:
            # Of a channel that had digests before, one that no worker was there for is made up for.
            since = {c.name: 0 if outbox.last_of_kind(connection, c.name, "digest") else self._since_ms
                     for c in self._setup.channels if c.digest_at is not None}  # fmt: skip
            waiting = [(c, at) for c in self._setup.channels
                       if c.name in since and (at := digest.due(c, now, since_ms=since[c.name]))
                       and outbox.of_key(connection, writing.key_of("digest", at, c.name)) is None]  # fmt: skip
            if not waiting:
                return 0
            found = (*alerts.open_ones(connection), *alerts.ended(connection, since_ms=now - DAY_MS))
            dead = len(outbox.dead(connection))
        texts = {name: summary.newest(self._store, name) for name in self._settings.names}
        lines = {name: text[1].partition("\n")[0] for name, text in texts.items() if text is not None}
        simulated = [e.name for e in self._settings.environments if e.simulated]
        made = [digest.delivery(c, at, now, found=found, summaries=lines, dead=dead, simulated=simulated)
                for c, at in waiting]  # fmt: skip
        with self._store.write() as connection:
            outbox.put(connection, made)
        return len(made)
