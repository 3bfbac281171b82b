"""The four functions that the swarm schedules, and the essentials that run without Inngest."""

from __future__ import annotations

import json
import logging
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import inngest
import redis.asyncio
from redis.exceptions import RedisError

from examples.swarm.policy import Policy
from runtime.envelope import Envelope, EnvelopeFile
from runtime.fallback import Task

CRONS = {
    "pipeline-scan": "*/15 * * * *",
    "daily-health-check": "0 8 * * *",
    "weekly-icp-analysis": "0 9 * * 1",
    "meeting-prep-trigger": "0 20 * * *",
}
log = logging.getLogger(__name__)
QUEUES = ("email", "approvals")
QUEUE_LIMIT = 200
WORK_S = (2.0, 12.0)


class Work:
    """The swarm's (small, real) work: put items into queues, take them out, write envelopes."""

    def __init__(self, policy: Policy, client: redis.asyncio.Redis | None, traces: EnvelopeFile | None) -> None:
        self._policy, self._client, self._traces = policy, client, traces

    async def produce(self, queue: str) -> int:
        """Enqueue one item; its length, or 0 where Redis is away: losing it degrades, it doesn't stop us."""
        if self._client is None:
            return 0
        item = json.dumps({"id": random.randrange(10**9), "enqueued_at": datetime.now(UTC).isoformat()})  # noqa: S311
        return await self._traced("redis", f"enqueue {queue}", self._push(queue, item))

    async def _push(self, queue: str, item: str) -> int:
        assert self._client is not None  # noqa: S101 - the caller has checked
        key = self._policy.queue_key(queue)
        length = await self._client.lpush(key, item)
        if length > QUEUE_LIMIT:
            await self._client.ltrim(key, 0, QUEUE_LIMIT - 1)
        return int(length)

    async def consume(self, queue: str) -> int:
        """Take out everything that waits; how many there were."""
        if self._client is None:
            return 0
        taken = 0
        while await self._traced("redis", f"dequeue {queue}", self._pop(queue)):
            taken += 1
        return taken

    async def _pop(self, queue: str) -> int:
        assert self._client is not None  # noqa: S101 - the caller has checked
        return int(await self._client.rpop(self._policy.queue_key(queue)) is not None)

    async def _traced(self, tool: str, action: str, call: Any) -> int:
        begun = time.perf_counter()
        try:
            result, status = int(await call), "ok"
        except (RedisError, OSError) as error:
            result, status = 0, type(error).__name__
        if self._traces is not None:
            self._note(
                Envelope(
                    at=datetime.now(UTC),
                    tool=tool,
                    action=action,
                    status=status,
                    duration_ms=(time.perf_counter() - begun) * 1000,
                    environment=self._policy.environment,
                )
            )
        return result

    def _note(self, envelope: Envelope) -> None:
        try:
            assert self._traces is not None  # noqa: S101 - the caller has checked
            self._traces.append(envelope)
        except OSError as error:  # a full disk must not stop the work that it only describes
            log.warning("a trace envelope could not be written: %s", error.strerror)

    def fallback_tasks(self) -> tuple[Task, ...]:
        """The essentials, which run with no outside dependency. Source: domain.md §2.3."""

        async def queues() -> None:
            await self.consume("email")

        async def approvals() -> None:
            await self.consume("approvals")

        async def nurture() -> None:
            await self.produce("email")

        async def trace_cleanup() -> None:
            if self._traces is not None:
                self._traces.clean_up(datetime.now(UTC))

        return (
            Task(name="trace-cleanup", every=timedelta(days=1), offset=timedelta(hours=4), run=trace_cleanup),
            Task(name="approval-notifications", every=timedelta(hours=3), run=approvals),
            Task(name="nurture-queue", every=timedelta(hours=1), run=nurture),
            Task(name="email-queue", every=timedelta(hours=1), run=queues),
        )

    def functions(self, client: inngest.Inngest) -> list[inngest.Function[Any]]:
        """The four scheduled functions."""

        def build(name: str, cron: str) -> inngest.Function[Any]:
            @client.create_function(fn_id=name, trigger=inngest.TriggerCron(cron=cron), retries=3)
            async def run(context: inngest.Context) -> dict[str, int]:
                email = await context.step.run("enqueue-email", lambda: self.produce("email"))
                return {"queued": email}

            return run

        return [build(name, cron) for name, cron in CRONS.items()]
