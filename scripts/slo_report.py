"""Print how the SLOs stand. `python scripts/slo_report.py [--env NAME] [--window 30d] [--as-of TIME] [--json]`.

Exit: 0 ok or at risk, 1 any broken, 3 no data at all (or no store to read), 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from typing import Any

from services import clock
from services.crash import guarded, in_words
from services.settings import load
from services.settings.model import Environment, Settings
from services.units import share

WINDOWS = ("7d", "28d", "30d", "90d")


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="slo_report.py", description=__doc__)
    parser.add_argument("--env", help="environment (default: the first one configured)")
    parser.add_argument("--window", choices=WINDOWS, help="one window for all (default: each objective's own)")
    parser.add_argument("--as-of", type=_time, metavar="TIME", help="evaluate as of then: ISO 8601 with zone (now)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        settings = load()
        environment = settings.environment(options.env or settings.names[0])
        found = _document(settings, environment, options.window, options.as_of)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else _text(found))
    states = {item["state"] for item in found["slis"].values()}
    return 1 if "broken" in states else 0 if states & {"ok", "at_risk"} else 3


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("is no ISO 8601 time, such as 2026-11-21T08:00:00Z") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("names no time zone: end it with Z or an offset such as +01:00")
    from services.slo import window

    trouble = window.trouble(clock.to_ms(moment), clock.now_ms())
    if trouble is not None:
        raise argparse.ArgumentTypeError(trouble)
    return clock.to_ms(moment)


def _document(settings: Settings, environment: Environment, window: str | None, as_of: int | None) -> dict[str, Any]:
    from services.slo import report, view
    from services.store.migrate import opened

    with opened(settings.database_url.get_secret_value()) as store:
        found = view.slos(
            store, environment, clock.now_ms() if as_of is None else as_of,
            days=int(window[:-1]) if window else None, minute_days=settings.retention.minute_days,
        )  # fmt: skip
    return report.document(found, window or "own")


def _text(found: dict[str, Any]) -> str:
    from services.slo import words

    mark = " (simulated)" if found["simulated"] else ""
    lines = [f"{found['environment']}{mark}, as of {found['as_of']}: {found['sentence']}"]
    for name, item in found["slis"].items():
        lines.append(f"  {words.title(name):32} {item['state']:8} {item['sentence']}")
        if item["total"]:
            lines.append(f"  {'':32} {'':8} {item['good']:,} of {item['total']:,} good; {share(item['coverage'])} of "
                         f"{item['window']} observed")  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded("slo_report.py", main))
