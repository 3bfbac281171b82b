"""How many Redis commands a month the monitor itself uses. Source: domain.md §5, "must not exhaust"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dependencies.redis import address as redis_address

if TYPE_CHECKING:
    from services.settings.model import Environment

MONTH_S = 30 * 86_400
PING, WRITE, INFO = 1, 3, 1
QUEUE = {"list": 5, "zset": 4, "stream": 4, "bullmq": 214, "bull": 214, "rq": 53, "celery": 20, "arq": 4, "laravel": 9,
         "sidekiq": 5}  # at most  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandShare:
    """Commands a month that the probes send at most, and the plan's budget where it is known."""

    per_month: int
    budget: int | None

    @property
    def fraction(self) -> float | None:
        """Part of the budget; None without one."""
        return None if self.budget is None else self.per_month / self.budget


def command_share(environment: Environment) -> CommandShare | None:
    """The monitor's share of an environment's Redis; None where Redis is not probed."""
    if environment.secrets.redis_url is None:
        return None
    address = redis_address.read(environment.secrets.redis_url.get_secret_value())
    login = 1 if isinstance(address, redis_address.Address) and address.password else 0
    every = environment.intervals
    rates = [
        (PING + login) / every.redis_ping,
        (WRITE + login) / every.redis_write,
        (INFO + login) / every.redis_info,
        *((QUEUE[queue.form] + login) / every.queues for queue in environment.queues),
    ]
    return CommandShare(per_month=round(sum(rates) * MONTH_S), budget=environment.redis.command_budget_per_month)
