"""The reference agent as a process: one JSON object a line in, one a line out. `--weak NAME,…` degrades it."""

from __future__ import annotations

import argparse
import json
import sys

from examples.swarm.agent.degrade import NAMES, named
from examples.swarm.agent.engine import answer


def main() -> int:
    """Answer lines until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m examples.swarm.agent", description=__doc__)
    parser.add_argument("--weak", default="", help=f"known weaknesses: {', '.join(NAMES)}")
    options = parser.parse_args()
    try:
        weakness = named(options.weak)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for line in sys.stdin:
        if line.strip():
            sys.stdout.write(json.dumps(answer(json.loads(line), weakness), ensure_ascii=False) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
