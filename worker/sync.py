"""Registers this worker with Inngest. After a start the worker registers itself, and again where that was lost.

Of several workers, the one that collects the environment is the one that Inngest calls. A registration that another
installation took over is told (by the sync probe) and not fought over.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from services import clock
from services.dependencies import http_client as http
from services.dependencies.inngest import sdk as inngest_sdk
from services.dependencies.inngest import sync as inngest_sync
from services.dependencies.inngest.api import KINDS, Refusal, rfc3339
from services.dependencies.inngest.route import signature
from services.dependencies.inngest.sync import SyncProbe
from services.dependencies.model import Failure
from services.settings.model import Environment, Own
from worker.app import PATH

log = logging.getLogger(__name__)
TICK_S = 0.5
CHECK_S = 15.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
DEADLINE_S = 20.0
PATIENCE_S = 15.0


class Registration:
    """Keeps this worker registered while it holds the environment."""

    def __init__(
        self, environment: Environment, own: Own, *, workers: Callable[[], list[str]], address: str,
        holds: Callable[[], bool], told: Callable[[dict[str, Any]], None],
    ) -> None:  # fmt: skip
        self._probe = SyncProbe.from_settings(environment)
        self._own, self._workers, self._address = own, workers, address
        self._holds, self._told = holds, told
        self.synced = False
        self.trouble = ""
        self._patient_until: float | None = None

    @property
    def is_new(self) -> bool:
        """Whether it was not registered yet since it holds the environment, and may soon be."""
        if self.synced or not self._holds():
            return False
        now = time.monotonic()
        self._patient_until = self._patient_until or now + PATIENCE_S
        return now < self._patient_until

    async def run(self) -> None:
        """Until cancelled."""
        pause = FIRST_PAUSE_S
        while True:
            if not self._holds():
                self.synced, self._patient_until = False, None
                await asyncio.sleep(TICK_S)
            elif not self.synced:
                self.trouble = await self._sync()
                self.synced = not self.trouble
                self._say()
                await asyncio.sleep(CHECK_S if self.synced else pause)
                pause = FIRST_PAUSE_S if self.synced else min(pause * 2, LONGEST_PAUSE_S)
            else:
                self.synced = not await self._is_lost()
                if self.synced:
                    await asyncio.sleep(CHECK_S)

    async def _sync(self) -> str:
        """Ask ourselves to register with the server; "" or what went wrong. The body tells, never the status."""
        key = self._own.inngest_signing_key if self._own.inngest_cloud else None
        signed = (
            {} if key is None else {"X-Inngest-Signature": signature(key.get_secret_value(), clock.now_ms() // 1000)}
        )
        answer = await http.send("PUT", self._address + PATH, b"", deadline_s=DEADLINE_S, headers=signed)
        if isinstance(answer, Failure):
            return f"our own route did not answer ({answer.code})"
        body = answer.json()
        if isinstance(body, dict) and body.get("ok") is True:
            return ""
        found = body.get("error") or body.get("message") or body.get("code") if isinstance(body, dict) else None
        keys = (self._own.inngest_signing_key, self._own.inngest_event_key)
        known = [key.get_secret_value() for key in keys if key is not None]
        said = inngest_sdk.without_secrets(str(found), *known) if found else f"HTTP {answer.status}"
        return await self._cause() or said

    async def _cause(self) -> str:
        """Why a registration can't work, where the server itself tells; the SDK says only that no JSON came."""
        api, cloud = self._probe.api, self._own.inngest_cloud
        kind = await api.kind(deadline_s=DEADLINE_S)
        if kind is not None and (kind == "cloud") != cloud:
            fix = "set INNGEST_DEV" if kind == "dev" else "unset INNGEST_DEV, and set both keys"
            return f"the Inngest server is {KINDS[kind]}, and this worker is set for the other kind: {fix}"
        if not cloud:
            return ""
        now = clock.now_ms()
        query = {"from": rfc3339(now - 1000), "until": rfc3339(now), "limit": 1}
        found = await api.runs(query, deadline_s=DEADLINE_S)
        is_refused = isinstance(found, Refusal) and found.code == "key_refused"
        return "the Inngest server refuses INNGEST_SIGNING_KEY: compare it with the server's" if is_refused else ""

    async def _is_lost(self) -> bool:
        """Whether the server no longer knows us as we are: a new dev server, another version, a sibling's address."""
        found = await inngest_sync.registered(self._probe.api)
        if isinstance(found, Refusal):
            return False
        code, words = inngest_sync.verdict(found, self._probe.declared, self._serving)
        if code in {"sync.absent", "sync.differs"}:
            log.warning("Inngest does not know this worker as it is (%s %s): it is registered again", code, words)
            return True
        if code == "sync.repointed":
            assert found is not None  # noqa: S101 - the verdict is about what was found
            siblings = await asyncio.to_thread(self._workers)
            if inngest_sync.is_one_of(found.url, siblings):
                log.info("Inngest calls another worker of ours; it is pointed here, where the environment is collected")
                return True
            if not self.trouble:
                self.trouble = f"another process has taken over the registration: Inngest now calls {found.url}"
                self._say()
            return False
        if self.trouble:
            self.trouble = ""
            self._say()
        return False

    @property
    def _serving(self) -> str:
        return self._own.inngest_serve_origin or self._address

    def _say(self) -> None:
        if self.trouble:
            log.warning("not registered with Inngest: %s", self.trouble)
        else:
            log.info("registered with Inngest at %s", self._own.inngest_api_url)
        self._told({"synced": self.synced, "trouble": self.trouble})
