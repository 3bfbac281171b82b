"""Follows the trace files: a part of its own, since a large one keeps it busy for a while."""

from __future__ import annotations

import asyncio
import logging

from filelock import Timeout

from services import clock
from services.settings.model import Settings
from services.traces import intake
from services.traces.keep import Kept

log = logging.getLogger(__name__)
EVERY_S, TIDY_S = 2.0, 60.0


class TraceWork:
    """Takes in what the files hold, and keeps the folder small."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._kept = settings, Kept(settings.data_dir)
        self.spans = 0
        self.trouble = ""

    async def run(self) -> None:
        """Until cancelled."""
        loop, tidied = asyncio.get_running_loop(), float("-inf")
        while True:
            is_due = loop.time() - tidied > TIDY_S
            tidied = loop.time() if is_due else tidied
            try:
                self.spans += await asyncio.to_thread(self._once, tidy=is_due)
                self.trouble = ""
            except (OSError, Timeout) as error:
                why = getattr(error, "strerror", None) or "another process holds their folder"
                said = f"Traces can't be kept ({why})."
                if said != self.trouble:
                    log.error("%s What the files hold is taken in later.", said)
                self.trouble = said
            await asyncio.sleep(EVERY_S)

    def _once(self, *, tidy: bool) -> int:
        found = intake.sources(self._settings)
        count = intake.take_in(self._settings, self._kept, found) if found else 0
        if tidy and self._kept.folder.exists():
            dropped = intake.look_after(self._settings, self._kept, clock.now_ms())
            if dropped.for_room:
                log.warning("traces of %s were dropped: [traces] max_gb is reached", ", ".join(dropped.for_room))
        return count
