"""Send a test to an alert channel and say what becomes of it: `alert_test.py --channel NAME [--wait 30] [--json]`.

The worker sends it, as it sends every alert. Exit: 0 accepted by the service, 1 refused, 3 not known yet (no worker
runs, or it is being tried again), 2 wrong usage or settings. Accepted is not seen: that takes a person and the link.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from services.crash import guarded
from services.errors import SettingsError, StoreError
from services.settings import load

if TYPE_CHECKING:
    from services.settings import Settings
    from services.store import Store
    from services.store.outbox import Delivery

EXIT = {"accepted": 0, "refused": 1, "waiting": 3}
PAUSE_S = 0.3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="alert_test.py", description=__doc__)
    parser.add_argument("--channel", required=True, help="its name in [[alerts.channels]]")
    parser.add_argument("--wait", type=_seconds, default=30.0, metavar="SECONDS", help="how long at most; 30")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    from services.alerts.proof import NoProof
    from services.store.migrate import opened

    try:
        settings = load()
        with opened(settings.database_url.get_secret_value()) as store:
            found = _sent(store, settings, options.channel, options.wait)
    except (SettingsError, NoProof) as error:
        print(error, file=sys.stderr)
        return 2
    except StoreError as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print(f"{found['message']} {found['fix']}".rstrip())
    return EXIT[found["state"]]


def _sent(store: Store, settings: Settings, channel: str, wait_s: float) -> dict[str, Any]:
    from services import access, clock
    from services.alerts import proof
    from services.health.view import worker_life
    from services.store import outbox

    by = access.local_operator(getpass.getuser())
    row = proof.ask(store, settings, channel, by=by, now_ms=clock.now_ms())
    give_up = time.monotonic() + wait_s
    while True:
        with store.read() as connection:
            found = outbox.get(connection, row.id) or row
        if found.state != outbox.WAITING or found.code or time.monotonic() > give_up:
            return _said(found, settings, alive=worker_life(store, clock.now_ms()).alive)
        time.sleep(PAUSE_S)


def _said(found: Delivery, settings: Settings, *, alive: bool) -> dict[str, Any]:
    from services.alerts.setup import addresses
    from services.channels import outcome
    from services.channels.address import TITLES
    from services.store import outbox

    service = TITLES[addresses(settings)[found.channel].service]
    states = {outbox.SENT: "accepted", outbox.DEAD: "refused"}
    advice = outcome.advice(found.code or "accepted", service, found.status)
    message, fix = advice.what, advice.fix or "Open the link in it: only that proves that somebody sees it."
    if found.state == outbox.WAITING and not found.code:
        message = "The message waits in the outbox." if alive else "No worker runs, so the message waits in the outbox."
        fix = "Look at Alerts a little later." if alive else "Start Greenlight (python3 start.py), or its worker alone."
    return {
        "channel": found.channel, "service": service, "state": states.get(found.state, "waiting"), "code": found.code,
        "status": found.status, "tries": found.tries, "message": message, "fix": fix,
    }  # fmt: skip


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write seconds from 0 to 600.")
    return value


if __name__ == "__main__":
    sys.exit(guarded("alert_test.py", main))
