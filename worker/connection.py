"""The worker's own connection to Inngest (`[durable] transport = "connect"`): outbound, so that no port is needed.

Every worker connects, and the server spreads steps over those that are: where a second one is connected, the end of
the first pauses nothing. The SDK reconnects by itself, and gives up some time after the server is gone: whatever ends
the connection, or keeps it from coming back, it is begun again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

import inngest
from inngest.connect import ConnectionState, connect

from services.redact import fault

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LOOK_S = 0.5
BACK_WITHIN_S = 60.0  # a connection that isn't back by then is begun again


class Connection:
    """Keeps this worker connected."""

    def __init__(
        self, client: inngest.Inngest, served: Sequence[inngest.Function[Any]], *, instance: str, at_once: int,
        told: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self._client, self._served = client, list(served)
        self._instance, self._at_once, self._told = instance, at_once, told
        self._current: Any = None  # the SDK names no type for it
        self._closing = asyncio.Event()
        self.synced = False
        self.trouble = ""

    @property
    def is_new(self) -> bool:
        """Whether it has not been connected yet, without anything wrong."""
        return not self.synced and not self.trouble

    async def run(self) -> None:
        """Until cancelled, or closed."""
        pause = FIRST_PAUSE_S
        while not self._closing.is_set():
            try:
                was_connected = await self._once()
            except Exception as error:  # noqa: BLE001 - whatever ends it, it is begun again
                was_connected = False
                self._say(synced=False, trouble=_words(error))
            if self._closing.is_set():
                return
            pause = FIRST_PAUSE_S if was_connected else min(pause * 2, LONGEST_PAUSE_S)
            await asyncio.sleep(pause)

    async def _once(self) -> bool:
        """One connection, from its beginning to its end; whether it was ever up. Raises what the SDK raises."""
        made = self._current = connect(
            [(self._client, self._served)],
            instance_id=self._instance,
            shutdown_signals=[],  # the process decides when it ends
            max_worker_concurrency=self._at_once,
        )
        running = asyncio.create_task(made.start(), name="inngest-connect")
        was_connected, away_since = False, asyncio.get_running_loop().time()
        try:
            while not running.done():
                state, now = made.get_state(), asyncio.get_running_loop().time()
                if state is ConnectionState.ACTIVE:
                    was_connected, away_since = True, now
                    self._say(synced=True, trouble="")
                elif state is ConnectionState.RECONNECTING or now - away_since > LOOK_S * 4:
                    self._say(synced=False, trouble="the connection to Inngest is being made again" if was_connected
                              else "Inngest takes no connection yet")  # fmt: skip
                if now - away_since > BACK_WITHIN_S and not self._closing.is_set():
                    log.warning("the connection to Inngest did not come back within %g s: it is begun again",
                                BACK_WITHIN_S)  # fmt: skip
                    await made.close()
                    break
                await asyncio.wait([running], timeout=LOOK_S)
            if running.done():
                running.result()
        finally:
            if not self._closing.is_set():
                running.cancel()
        return was_connected

    async def close(self) -> None:
        """Take nothing new, and come back when what runs here has ended and was reported."""
        self._closing.set()
        if self._current is not None:
            await self._current.close(wait=True)

    def _say(self, *, synced: bool, trouble: str) -> None:
        if (self.synced, self.trouble) == (synced, trouble):
            return
        self.synced, self.trouble = synced, trouble
        if trouble:
            log.warning("not connected to Inngest: %s", trouble)
        else:
            log.info("connected to Inngest as %s", self._instance)
        self._told({"synced": synced, "trouble": trouble, "transport": "connect"})


def _words(error: Exception) -> str:
    if "unauthorized" in str(error):
        return "the Inngest server refuses INNGEST_SIGNING_KEY, or is of the other kind: compare both"
    return f"the connection ended ({fault(error)})"
