"""The worker's parts that tell people: judges what has changed, sends what waits, and pings those who monitor us."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import partial

from services import causes, clock, summary
from services.alerts import backoff, compose, digest, writing
from services.alerts.setup import AlertSetup, addresses
from services.channels import outcome
from services.channels.address import TITLES, Address
from services.channels.message import Message, plain
from services.channels.outcome import Outcome
from services.channels.send import DEADLINE_S, is_usable, send
from services.clock import DAY_MS
from services.dependencies import http_client
from services.dependencies.http_client import Answer
from services.errors import SettingsError, StoreError
from services.fingerprint import InstallationKey, installation_key
from services.redact import fault
from services.settings.model import Settings
from services.store import Store, alerts, claims, conditions, outbox, workers
from services.store.outbox import Delivery
from services.store.workers import SILENT_AFTER_MS

log = logging.getLogger(__name__)
JUDGE_S = 1.0
OWN_S, RECORDS_S, DIGESTS_S = 2.0, 10.0, 30.0
POLL_S = 0.25
LEASE_MS = 60_000
MOST_JOINED, MOST_ALONE = 50, 4  # messages that one claim takes; of those that go one by one, what a lease has time for
ONE_BY_ONE = frozenset({"pagerduty", "webhook"})  # programs want each event
TROUBLE_LASTS_S = 60.0
PING_S = 60.0
OVERDUE_MS = 300_000
MEASURED_WITHIN_MS = 600_000


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
        waiting = [(c, at) for c in self._setup.channels if (at := digest.due(c, now, since_ms=self._since_ms))]
        with self._store.read() as connection:
            waiting = [(c, at) for c, at in waiting
                       if outbox.of_key(connection, writing.key_of("digest", at, c.name)) is None]  # fmt: skip
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


class Sender:
    """Sends what waits in the outbox: one channel's messages in their order, several channels side by side."""

    def __init__(
        self, store: Store, settings: Settings, *, owner: str, store_trouble: Callable[[], str] = lambda: "",
        lease_ms: int = LEASE_MS,
    ) -> None:  # fmt: skip
        self._store, self._settings, self._owner = store, settings, owner
        self._addresses = addresses(settings)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._store_trouble, self._lease_ms = store_trouble, lease_ms
        self._trouble_since: float | None = None
        self._said_directly = False
        self._key: InstallationKey | None = None
        self._stopping = False
        self.polled_at = float("-inf")  # of the loop's clock: when the outbox was looked into last
        self.accepted = 0
        self.failed = 0

    async def run(self) -> None:
        """Until cancelled. What a try was about waits in the store, so nothing is lost then."""
        for name in await asyncio.to_thread(self._unusable):
            log.error("the channel %r can't be used: Apprise does not know its address. Correct its variable.", name)
        try:
            while True:
                await self._once()
        finally:
            for task in self._busy.values():
                task.cancel()

    async def _once(self) -> None:
        await self._tell_directly()
        try:
            batch = () if self._stopping else await asyncio.to_thread(self._claim)
            self.polled_at = asyncio.get_running_loop().time()
        except StoreError as error:
            log.debug("the outbox can't be read: %s", error)
            batch = ()
        if not batch:
            await asyncio.sleep(POLL_S)
            return
        channel = batch[0].channel
        task = asyncio.create_task(self._deliver(batch), name=f"send:{channel}")
        self._busy[channel] = task
        task.add_done_callback(lambda _done: self._busy.pop(channel, None))

    def _unusable(self) -> list[str]:
        return [name for name, address in self._addresses.items() if not is_usable(address)]

    def _claim(self) -> tuple[Delivery, ...]:
        # Looked at in a read first: an idle worker must not take the write lock four times a second.
        now, busy = clock.now_ms(), tuple(self._busy)
        with self._store.read() as connection:
            if not outbox.any_due(connection, now, busy):
                return ()
        with self._store.write() as connection:
            return outbox.claim(
                connection, self._owner, now_ms=now, lease_ms=self._lease_ms, most=MOST_JOINED, but=busy
            )

    async def _deliver(self, batch: Sequence[Delivery]) -> None:
        channel = batch[0].channel
        try:
            address = self._addresses.get(channel)
            if address is None:
                await asyncio.to_thread(self._give_up, batch)
                return
            if len(batch) >= compose.JOINED_FROM and address.service not in ONE_BY_ONE:
                several = [await self._message(item) for item in batch]
                await self._send(address, compose.joined(several, self._settings.portal_url), batch)
                return
            for number, item in enumerate(batch[:MOST_ALONE]):
                if not await self._send(address, await self._message(item), [item]):
                    await asyncio.to_thread(self._release, batch[number + 1 :])
                    return
            await asyncio.to_thread(self._release, batch[MOST_ALONE:])
        except (StoreError, SettingsError) as error:
            # What was sent may not be noted as such: its lease lapses, and it is sent again with the same key.
            log.warning("messages to the channel %r could not be noted: %s", channel, error)

    async def _message(self, item: Delivery) -> Message:
        if self._key is None:
            self._key = await asyncio.to_thread(installation_key, self._settings.data_dir)
        return compose.message(item, self._settings.portal_url, self._key)

    async def _send(self, address: Address, message: Message, items: Sequence[Delivery]) -> bool:
        """Send and note what became of it; False where the messages behind it have to wait."""
        found = await send(address, message)
        await asyncio.to_thread(self._note, items, found)
        if found.accepted:
            self.accepted += len(items)
            return True
        self.failed += len(items)
        said = outcome.advice(found.code, TITLES[address.service], found.status)
        log.warning("a message to the channel %r was not delivered: %s", items[0].channel, said)
        return not found.again

    def _note(self, items: Sequence[Delivery], found: Outcome) -> None:
        now = clock.now_ms()
        with self._store.write() as connection:
            if found.accepted:
                outbox.accepted(connection, [item.id for item in items], now_ms=now, status=found.status)
                return
            latest = 0
            for item in items:
                jitter = random.random()  # noqa: S311 - spreads load only
                due = backoff.next_ms(item, now, jitter=jitter, after_s=found.after_s) if found.again else None
                outbox.failed(connection, item.id, now_ms=now, code=found.code, status=found.status, due_ms=due)
                latest = max(latest, due or 0)
            if found.again and latest:
                outbox.postpone(connection, items[0].channel, until_ms=latest)

    def _release(self, items: Sequence[Delivery]) -> None:
        if items:
            with self._store.write() as connection:
                outbox.release(connection, [item.id for item in items], self._owner)

    def _give_up(self, items: Sequence[Delivery]) -> None:
        now = clock.now_ms()
        with self._store.write() as connection:
            for item in items:
                outbox.failed(connection, item.id, now_ms=now, code="not_configured", status=None, due_ms=None)

    async def _tell_directly(self) -> None:
        """Store trouble can't go through the store: it is sent from memory, once, when it lasts; and so is its end."""
        now, trouble = asyncio.get_running_loop().time(), self._store_trouble()
        if not trouble:
            self._trouble_since = None
            if self._said_directly:
                self._said_directly = False
                await self._to_all("resolved", "Resolved: Greenlight can store again", "What waited is being written.")
            return
        self._trouble_since = now if self._trouble_since is None else self._trouble_since
        if not self._said_directly and now - self._trouble_since >= TROUBLE_LASTS_S:
            self._said_directly = True
            log.error("the store can't be written, so alerts about other things can't be kept: channels are told")
            await self._to_all("opened", "Greenlight can't store what it measures", trouble)

    async def _to_all(self, event: str, title: str, what: str) -> None:
        now = clock.now_ms()
        made = Message(
            key=f"store-{self._owner}-{now}", thread=f"store-{self._owner}", cause="store", title=title,
            event="resolved" if event == "resolved" else "opened", severity="page", environment="",
            what=plain(what), fix="Open Overview, or read the worker's log: it says what the database reports.",
            link=self._settings.portal_url, at_ms=now,
        )  # fmt: skip
        await asyncio.gather(*(send(address, made) for address in self._addresses.values()))

    def stop_claiming(self) -> None:
        """From now on begin nothing new."""
        self._stopping = True

    @property
    def busy(self) -> bool:
        """Whether a message is on its way."""
        return bool(self._busy)

    def hand_back(self) -> None:
        """Let others send what is held here. Raises StoreError."""
        with self._store.write() as connection:
            outbox.hand_back(connection, self._owner)


class DeadMan:
    """Pings the service that calls people when pings stay away; only while all of this worker is really at work."""

    def __init__(
        self, store: Store, settings: Settings, *, sender: Sender, trouble: Callable[[], str],
        probed: Callable[[], int], holds: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._store, self._settings, self._sender = store, settings, sender
        self._trouble, self._probed, self._holds = trouble, probed, holds
        self._probed_before = -1
        self.accepted_ms: int | None = None
        self.why_not = ""

    async def run(self) -> None:
        """Until cancelled; nothing to do without an address."""
        url = self._settings.dead_man_url
        while True:
            if url is not None:
                self.why_not = await self._why_not()
                if not self.why_not:
                    await self._ping(url.get_secret_value())
                else:
                    log.warning("no sign of life is sent: %s", self.why_not)
            await asyncio.sleep(PING_S)

    async def _why_not(self) -> str:
        """Why nobody should be told that all is at work; "" where it is."""
        if trouble := self._trouble():
            return trouble
        if asyncio.get_running_loop().time() - self._sender.polled_at > PING_S:
            return "The outbox was not looked into for a minute."
        probed, before = self._probed(), self._probed_before
        self._probed_before = probed
        holds = [name for name in self._settings.names if self._holds(name)]
        if holds and probed == before and self._longest_s(holds) < PING_S:
            return "The collector has checked nothing for a minute."
        try:
            return await asyncio.to_thread(self._stored)
        except StoreError as error:
            return error.advice.what

    def _longest_s(self, names: Sequence[str]) -> float:
        """The shortest interval of these environments: so often at least something is checked."""
        return min(self._settings.environment(name).intervals.readiness for name in names)

    def _stored(self) -> str:
        now = clock.now_ms()
        with self._store.read() as connection:
            overdue = outbox.oldest_overdue(connection)
            newest = conditions.newest_ms(connection, self._settings.names)
        if overdue is not None and self._sender_is_asked() and now - overdue > OVERDUE_MS:
            return "A message has waited in the outbox for more than 5 minutes."
        if newest is not None and now - newest > max(MEASURED_WITHIN_MS, self._patience_ms()):
            return "No measurement was written for more than 10 minutes."
        return ""

    def _sender_is_asked(self) -> bool:
        return bool(self._settings.alerts.channels)

    def _patience_ms(self) -> int:
        return round(3000 * min(e.intervals.readiness for e in self._settings.environments))

    async def _ping(self, url: str) -> None:
        answer = await http_client.get(url, deadline_s=DEADLINE_S)
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            self.accepted_ms = clock.now_ms()
            return
        found = f"HTTP {answer.status}" if isinstance(answer, Answer) else answer.code
        self.why_not = f"The service that takes the sign of life did not accept it ({found})."
        log.warning("%s", self.why_not)

    def age_s(self) -> float | None:
        """Seconds since the last ping that was accepted; None where none was, or none is sent."""
        return None if self.accepted_ms is None else (clock.now_ms() - self.accepted_ms) / 1000
