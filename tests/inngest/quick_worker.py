"""The worker with one duty that is due every few seconds, so that a hand-over can be watched."""

import os
import sys
from datetime import timedelta

from worker import chores, main

EVERY_S = float(os.environ["QUICK_EVERY_S"])
chores._rhythms = lambda _settings: (("retention", "* * * * *", timedelta(seconds=EVERY_S), timedelta(0)),)  # type: ignore[assignment]

if __name__ == "__main__":
    sys.exit(main.main())
