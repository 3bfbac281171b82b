"""Import measured history: `python scripts/import_history.py F.csv [--dry-run] [--json]`.

Columns: timestamp (ISO 8601 with zone), environment, sli, value, good (0 or 1). A line that is there already is a
duplicate, not an error. Exit: 0 all lines are in, 1 some were refused (the others are in), 2 unreadable.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from services.crash import guarded, in_words
from services.settings import load

if TYPE_CHECKING:
    from services.slo.history import Imported

SHOWN = 20


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="import_history.py", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="say what would happen; write nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    from services.slo import history
    from services.store.migrate import opened

    settings = load()
    with opened(settings.database_url.get_secret_value(), prepare=True) as store:
        found = history.bring_in(store, settings, options.file, dry_run=options.dry_run)
    print(json.dumps(asdict(found), ensure_ascii=False) if options.json else _text(found, dry_run=options.dry_run))
    return 1 if found.refused else 0


def _text(found: Imported, *, dry_run: bool) -> str:
    would = "would be imported" if dry_run else "imported"
    head = f"{found.read} lines read: {found.imported} {would}, {found.duplicates} known already, "
    head += f"{len(found.refused)} refused."
    lines = [f"  line {item.line}: {item.why}" for item in found.refused[:SHOWN]]
    more = len(found.refused) - SHOWN
    return "\n".join([head, *lines, *([f"  and {more} more; --json lists all"] if more > 0 else [])])


if __name__ == "__main__":
    sys.exit(guarded("import_history.py", main))
