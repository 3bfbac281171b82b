"""Compare the roll-ups with the raw samples. `python scripts/check_rollups.py [--repair] [--json]`.

Exit: 0 they do (or do again, with --repair), 1 they differ, 2 wrong usage, 3 the store can't be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from services import clock
from services.crash import guarded, in_words
from services.settings import load

SHOWN = 20


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="check_rollups.py", description=__doc__)
    parser.add_argument("--repair", action="store_true", help="evaluate again what differs")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    from services.slo.check import check
    from services.store.migrate import opened

    with opened(load().database_url.get_secret_value()) as store:
        found = check(store, repair=options.repair)
    if options.json:
        print(json.dumps(asdict(found) | {"repaired": bool(options.repair and found.differences)}))
    else:
        done = " They were computed again." if options.repair and found.differences else ""
        print(f"{found.compared:,} sums compared with raw samples, {len(found.differences)} differ.{done}")
        for item in found.differences[:SHOWN]:
            at = clock.iso(item.from_ms)
            print(f"  {item.environment} {item.sli}: the {item.tier} of {at} {item.what}", file=sys.stderr)
    return 1 if found.differences and not options.repair else 0


if __name__ == "__main__":
    sys.exit(guarded("check_rollups.py", main))
