"""`python -m worker`: collect, serve and keep schedules until told to stop."""

from __future__ import annotations

import sys

from services.crash import guarded
from worker.main import main

sys.exit(guarded("worker", main))
