"""Wait until nothing is at work, then let a pipeline deploy: `deploy_gate.py --env NAME [--wait 15m] [--json]`.

Exit: 0 clear, 1 still busy when the time is over, 3 not known, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING

from services.crash import guarded
from services.errors import SettingsError, StoreError, UnknownEnvironment
from services.settings import load

if TYPE_CHECKING:
    from services.deploys.light import Light
    from services.settings import Environment, Settings

EXIT = {True: 0, False: 1, None: 3}
LONGEST_S = 24 * 3600
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="deploy_gate.py", description=__doc__)
    parser.add_argument("--env", required=True, help="environment that is to be deployed")
    parser.add_argument("--wait", type=_duration, default=0.0, metavar="TIME", help="how long at most: 90s, 15m, 1h")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        settings = load()
        environment = settings.environment(options.env)
    except (SettingsError, UnknownEnvironment) as error:
        print(error, file=sys.stderr)
        return 2
    found = asyncio.run(_wait(settings, environment, options.wait))
    from services.deploys.light import words
    from services.deploys.view import gate_document

    if options.json:
        print(json.dumps(gate_document(environment.name, found), indent=2))
    else:
        print(" ".join(words(found)))
    return EXIT[found.clear]


async def _wait(settings: Settings, environment: Environment, wait_s: float) -> Light:
    from services.deploys import gate
    from services.deploys.light import words
    from services.store.migrate import opened

    said = ""

    def progress(found: Light) -> None:
        nonlocal said
        what, _ = words(found)
        if what != said:
            print(what, file=sys.stderr)
            said = what

    try:
        with opened(settings.database_url.get_secret_value()) as store:
            return await gate.wait(environment, store, wait_s=wait_s, progress=progress)
    except StoreError:  # then it isn't known how long such runs take, and what is at work is asked all the same
        return await gate.wait(environment, None, wait_s=wait_s, progress=progress)


def _duration(text: str) -> float:
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else -1
    if not 0 <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time of at most a day: write 90s, 15m or 1h.")
    return float(seconds)


if __name__ == "__main__":
    sys.exit(guarded("deploy_gate.py", main))
