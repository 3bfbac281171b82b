"""`python -m worker`: collect, serve and keep schedules until told to stop."""

from __future__ import annotations

import sys

from worker.main import main

sys.exit(main())
