"""`python -m benchmarks [--check] [--only NAME]`: measure, print, keep `benchmarks/RESULTS.md`.

Exit 0; with --check 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import deploying, envs, pages, probing, replaying, rolling, slos, starting, storing, telling, tracing
from benchmarks.table import Figure, markdown
from services import clock

PARTS: dict[str, Callable[[], list[Figure]]] = {
    "storing": storing.measure,
    "probing": probing.measure,
    "starting": starting.measure,
    "envs": envs.measure,
    "replaying": replaying.measure,
    "slos": slos.measure,
    "deploying": deploying.measure,
    "telling": telling.measure,
    "pages": pages.measure,
    "tracing": tracing.measure,
    "rolling": rolling.measure,
}
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    parser.add_argument("--only", choices=list(PARTS), help="one part; RESULTS.md is then left as it is")
    options = parser.parse_args()
    figures: list[Figure] = []
    for name in [options.only] if options.only else PARTS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        figures += PARTS[name]()
    text = markdown(figures)
    print(text)
    if not options.only:
        head = (
            "# Last benchmark table\n\n"
            f"Taken {clock.now():%Y-%m-%d} with Python {platform.python_version()}; written by `python -m benchmarks`. "
            "Only ratios within one run carry over to other machines.\n\n"
        )
        RESULTS.write_text(f"{head}{text}\n", encoding="utf-8")
    return int(options.check and any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
