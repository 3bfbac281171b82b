"""Take text out of the store that should never have got there: `python scripts/redact_evidence.py [--names] [--apply]`.

Without --apply nothing is changed: it says how much would be. Exit: 0 nothing to redact, or redacted; 1 there is
something to redact (dry run); 2 wrong usage or settings; 3 the store can't be used. Stop worker and portal first.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from services.crash import guarded, in_words
from services.errors import GreenlightError


class _Wrong(GreenlightError):
    pass


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="redact_evidence.py", description=__doc__)
    parser.add_argument("--names", action="store_true", help="what was taken for a key's name and can be none")
    parser.add_argument(
        "--secrets", metavar="F", help="a file with one secret a line to be taken out; - reads them here"
    )
    parser.add_argument("--by", metavar="NAME", help="who redacts; with --apply it is kept in the redaction record")
    parser.add_argument("--apply", action="store_true", help="do it; without, only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (OSError, UnicodeDecodeError):
        print("The file of secrets can't be read.", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    from services import clock
    from services.dependencies.tables import INSTALLATION
    from services.env_files.lines import is_plausible_name
    from services.evidence import redaction
    from services.fingerprint import installation_key
    from services.settings import load
    from services.store.migrate import opened

    secrets = _secrets(options.secrets)
    if not (options.names or secrets):
        raise _Wrong("Say what to redact: --names, or --secrets with a file.")
    if options.apply and not (options.by or "").strip():
        raise _Wrong("--apply needs --by NAME: who redacts is kept in the redaction record.")
    settings = load()
    key = installation_key(settings.data_dir)
    clean = redaction.cleaner(
        secrets, mark=lambda text: key.mark("redaction", text)[:16], names=options.names, plausible=is_plausible_name
    )
    with opened(settings.database_url.get_secret_value(), prepare=options.apply) as store:
        with store.read() as connection:
            made = redaction.plan(connection, clean)
        if options.apply and made.counts:
            with store.write() as connection:
                made = redaction.plan(connection, clean)
                redaction.apply(
                    store,
                    connection,
                    made,
                    environment=INSTALLATION,
                    by=options.by.strip()[:120],
                    now_ms=clock.now_ms(),
                )
            store.purge()
    _say(made.counts, [seq for seq, _, _ in made.evidence], options)
    return 1 if made.counts and not options.apply else 0


def _secrets(source: str | None) -> list[str]:
    if source is None:
        return []
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _say(counts: dict[str, int], numbers: list[int], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({"applied": options.apply, "changed": counts, "evidence": numbers}))
        return
    if not counts:
        print("Nothing to redact.")
        return
    done = "Redacted" if options.apply else "Would redact"
    print(f"{done}: " + ", ".join(f"{number} in {name}" for name, number in counts.items()) + ".")
    if options.apply:
        print(
            "Backups and data/archive still hold the text: remove it there, too. Make new secrets of what was stored."
        )
    else:
        print("Nothing was changed. Stop worker and portal, make a backup, then run it again with --apply --by NAME.")


if __name__ == "__main__":
    sys.exit(guarded("redact_evidence.py", main))
