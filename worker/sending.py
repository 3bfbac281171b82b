"""Sends what waits in the outbox, and from memory that the store can't be written."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from services import clock
from services.alerts import backoff, compose
from services.alerts.setup import addresses
from services.channels import outcome
from services.channels.address import TITLES, Address
from services.channels.message import Message, plain
from services.channels.outcome import Outcome
from services.channels.send import is_usable, send
from services.errors import SettingsError, StoreError
from services.fingerprint import InstallationKey, installation_key
from services.redact import fault
from services.settings.model import Settings
from services.store import Store, outbox
from services.store.outbox import Delivery

log = logging.getLogger(__name__)
POLL_S = 0.25
LEASE_MS = 60_000
MOST_JOINED, MOST_ALONE = 50, 4  # messages that one claim takes; of those that go one by one, what a lease has time for
ONE_BY_ONE = frozenset({"pagerduty", "webhook"})  # programs want each event
TROUBLE_LASTS_S = 60.0


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
                await asyncio.to_thread(self._give_up, batch, "not_configured")
                return
            batch, messages = await self._composed(batch)
            if len(batch) >= compose.JOINED_FROM and address.service not in ONE_BY_ONE:
                await self._send(address, compose.joined(messages, self._settings.portal_url), batch)
                return
            for number, (item, message) in enumerate(zip(batch[:MOST_ALONE], messages, strict=False)):
                if not await self._send(address, message, [item]):
                    await asyncio.to_thread(self._release, batch[number + 1 :])
                    return
            await asyncio.to_thread(self._release, batch[MOST_ALONE:])
        except (StoreError, SettingsError) as error:
            # What was sent may not be noted as such: its lease lapses, and it is sent again with the same key.
            log.warning("messages to the channel %r could not be noted: %s", channel, error)

    async def _composed(self, batch: Sequence[Delivery]) -> tuple[list[Delivery], list[Message]]:
        """The rows that can be put into words, with their messages. The others, of another version, are dead letters:
        tried again for ever, one would hold up its channel."""
        if self._key is None:
            self._key = await asyncio.to_thread(installation_key, self._settings.data_dir)
        readable, messages, unreadable = [], [], []
        for item in batch:
            try:
                messages.append(compose.message(item, self._settings.portal_url, self._key))
                readable.append(item)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                log.error("message %s to the channel %r can't be read: %s", item.id, item.channel, fault(error))
                unreadable.append(item)
        if unreadable:
            await asyncio.to_thread(self._give_up, unreadable, "unreadable")
        return readable, messages

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

    def _give_up(self, items: Sequence[Delivery], code: str) -> None:
        now = clock.now_ms()
        with self._store.write() as connection:
            for item in items:
                outbox.failed(connection, item.id, now_ms=now, code=code, status=None, due_ms=None)

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
