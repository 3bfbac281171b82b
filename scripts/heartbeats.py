"""Print the address at which each job calls. A list of the declared heartbeats.

Exit: 0; 2 for wrong usage or settings. The addresses are secrets: anyone who knows one reports in the job's name.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.crash import guarded, in_words


@in_words
def main() -> int:
    """List, and exit."""
    parser = argparse.ArgumentParser(prog="heartbeats.py", description=__doc__)
    parser.add_argument("--env", help="only those of this environment")
    parser.add_argument("--base-url", default="", help="the portal's address, put before each path")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from services import heartbeats
    from services.settings import load

    settings = load()
    chosen = settings.environments if options.env is None else (settings.environment(options.env),)
    found = [
        {"environment": environment.name, "name": table.name,
         "url": options.base_url.rstrip("/") + heartbeats.address(settings, environment.name, table.name)}
        for environment in chosen for table in environment.dependencies if table.kind == heartbeats.KIND
    ]  # fmt: skip
    if options.json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("No heartbeat is declared. Add one under [[environments.dependencies]] in greenlight.toml.")
    else:
        for item in found:
            print(f"{item['environment']}  {item['name']}  {item['url']}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded("heartbeats.py", main))
