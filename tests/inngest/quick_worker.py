"""The worker with one task that is due every few seconds, so that a hand-over can be watched. `QUICK_FAILS` of its first
tries fail."""

import os
import sys
from datetime import timedelta
from typing import Any

from services import retention
from worker import main, scheduled

EVERY_S = float(os.environ["QUICK_EVERY_S"])
scheduled._rhythms = lambda _settings: (("retention", "* * * * *", timedelta(seconds=EVERY_S), timedelta(0)),)  # type: ignore[assignment]
drop_old, failures = retention.drop_old, ["planned"] * int(os.environ.get("QUICK_FAILS", "0"))


def failing_at_first(*args: Any) -> Any:
    if failures:
        raise RuntimeError(failures.pop())
    return drop_old(*args)


retention.drop_old = failing_at_first

if __name__ == "__main__":
    sys.exit(main.main())
