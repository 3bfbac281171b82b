"""Check that a report was not changed since it was signed. From the file alone, or with the store that it came from
too.

Exit status: 0 untouched (and, with --store, the chain of evidence is whole and holds the report's head), 1 altered, a
broken chain, or another key than the one given, 2 no report, 3 the store could not be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services import clock
from services.access import named
from services.crash import guarded, in_words
from services.errors import GreenlightError
from services.evidence import chain
from services.report import seal

LARGEST = 64 << 20


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="verify_report.py", description=__doc__)
    parser.add_argument("file", help="the report, in any of its formats")
    parser.add_argument("--public-key", metavar="F", help="the published public key (PEM): proves whose report it is")
    parser.add_argument("--store", action="store_true", help="check this installation's chain of evidence too")
    options = parser.parse_args(arguments)
    try:
        path = Path(options.file)
        if path.stat().st_size > LARGEST:
            print(f"{path} is larger than 64 MiB: it is no report.", file=sys.stderr)
            return 2
        content = path.read_bytes()
        found = seal.check(content)
        expected = seal.public_of(Path(options.public_key).read_bytes()) if options.public_key else None
    except GreenlightError as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename} can't be read ({error.strerror}).", file=sys.stderr)
        return 2
    said = found.seal
    print(f"Report: {said.kind}, {said.environment}, made {said.made_at}")
    print(f"Signed with key {said.key}")
    if not found.whole:
        print(f"ALTERED: {found.why}.")
        return 1
    if expected is not None and expected != said.public_key:
        print(f"NOT THEIRS: it was signed with another key than the given one ({seal.fingerprint(expected)}).")
        return 1
    whose = "the owner of the given key" if expected else "the holder of that key (--public-key proves who)"
    print(f"Untouched since it was signed by {whose}.")
    return _chain(said, content) if options.store else 0


@in_words
def _chain(said: seal.Seal, content: bytes) -> int:
    from services.evidence import compaction, exports
    from services.settings import load
    from services.store.migrate import opened

    settings = load()
    with opened(settings.database_url.get_secret_value()) as store, store.read() as connection:
        broken = chain.verify(connection)
        place = chain.place(connection, said.head)
        if place is None:
            place = compaction.archived_place(connection, settings.data_dir / compaction.FOLDER, said.head)
        taken = exports.traced(connection, said.environment, said.kind, content)
    if broken is not None:
        print(f"BROKEN CHAIN: record {broken.seq}: {broken.why}.")
        return 1
    if place != said.records:
        print(f"NOT THIS CHAIN: its record {said.records} is not the report's head: records were dropped or changed.")
        return 1
    print(f"The chain of evidence is whole, and holds the report's head at record {said.records}.")
    if taken is not None:
        print(f"This file was taken by {named(taken.by, verified=taken.verified)} on {clock.iso(taken.at_ms)}.")
    return 0


if __name__ == "__main__":
    sys.exit(guarded("verify_report.py", main))
