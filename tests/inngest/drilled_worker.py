"""Our own worker with the kit's drill function installed, as a team installs it in theirs."""

import os
import sys
from pathlib import Path
from typing import Any

from runtime.drill import EVENT, FUNCTION, FileLines, drill
from worker import functions, main

made, declared = functions.functions, functions.declared


def with_drill(client: Any, *more: Any) -> list[Any]:
    return [*made(client, *more), drill(client, FileLines(Path(os.environ["DRILL_LINES"])))]


functions.functions = with_drill
functions.declared = lambda crons: tuple(sorted((*declared(crons), (FUNCTION, EVENT))))

if __name__ == "__main__":
    sys.exit(main.main())
