"""Take evidence out that only repeats the record before it: `python scripts/compact_evidence.py [--apply --by NAME]`.

Older versions wrote a record each time that one good state followed another. Without --apply it only says how much
would go. Exit: 0 nothing to compact, or compacted; 1 there is something to compact (dry run); 2 wrong usage or
settings; 3 the store can't be used, or its chain is broken. Stop worker and portal first.
"""

from __future__ import annotations

import argparse
import json
import sys

from services.crash import guarded, in_words

LEAST_DAYS = 1


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="compact_evidence.py", description=__doc__)
    parser.add_argument("--keep-days", type=int, default=7, metavar="N", help="leave younger records alone (7)")
    parser.add_argument("--by", metavar="NAME", help="who compacts; it is kept in the compaction record")
    parser.add_argument("--apply", action="store_true", help="do it; without, only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args(arguments)
    if not LEAST_DAYS <= options.keep_days <= 36_500:
        print("--keep-days takes a number of days from 1 to 36500.", file=sys.stderr)
        return 2
    if options.apply and not (options.by or "").strip():
        print("--apply needs --by NAME: who compacts is kept in the compaction record.", file=sys.stderr)
        return 2
    try:
        return _run(options)
    except OSError as error:
        print(f"The archive can't be written ({error.strerror}). Nothing was changed.", file=sys.stderr)
        return 3


def _run(options: argparse.Namespace) -> int:
    from services import clock
    from services.dependencies.tables import INSTALLATION
    from services.evidence import compaction
    from services.settings import load
    from services.store.migrate import opened

    settings = load()
    now_ms = clock.now_ms()
    before_ms = now_ms - options.keep_days * clock.DAY_MS
    with opened(settings.database_url.get_secret_value(), prepare=options.apply) as store:
        if not options.apply:
            with store.read() as connection:
                gaps = compaction.find(connection, before_ms, lambda _row: None)
            return _say(sum(gap.count for gap in gaps), None, options)
        with store.write() as connection:
            done = compaction.apply(
                store, connection, before_ms, settings.data_dir / compaction.FOLDER,
                environment=INSTALLATION, by=options.by.strip()[:120], now_ms=now_ms,
            )  # fmt: skip
        if done is None:
            return _say(0, None, options)
        store.purge()
        return _say(done[0], str(done[1].path), options)


def _say(count: int, archive: str | None, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps({"applied": archive is not None, "records": count, "archive": archive}))
    elif not count:
        print("Nothing to compact.")
    elif archive is None:
        print(f"Would take {count} records out, which only repeat the record before them.")
        print("Nothing was changed. Stop worker and portal, make a backup, then run it again with --apply --by NAME.")
    else:
        print(f"Took {count} records out, which only repeated the record before them. They are in {archive}:")
        print("keep it, it proves older reports whose head was among them.")
    return 1 if count and archive is None else 0


if __name__ == "__main__":
    sys.exit(guarded("compact_evidence.py", main))
