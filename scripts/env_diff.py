"""Print how environments differ. `python scripts/env_diff.py F1 F2 [F3 …] [--names staging,production]`.

Exit: 0 nothing wrong or warnings only, 1 an error, 3 a connection that couldn't be checked, 2 wrong usage. Values,
parts of them and hashes are never printed.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

from services.crash import guarded
from services.env_files import reading
from services.env_files.document import UnreadableSource
from services.envs import catalogue as catalogues
from services.envs import relations
from services.envs.findings import Mode
from services.envs.relations import Side
from services.envs.table import as_json, as_markdown, as_table, rows_of
from services.errors import SettingsError
from services.paths import TEAM_KEYS


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if len(options.files) < 2:
            raise UnreadableSource("A comparison needs two files or more.")
        catalogue = catalogues.chosen(options.catalogue)
        sides = _sides(options.files, options.names)
        shared = _shared(sides) if options.check_connections else ()
    except (UnreadableSource, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    comparison = relations.compare(sides, catalogue, same_redis=shared)
    rows = rows_of(comparison, only_problems=options.only_problems)
    if options.json:
        print(as_json(comparison, rows))
    elif options.format == "csv":
        from services.envs.table import as_csv

        print(as_csv(comparison, rows), end="")
    elif options.format == "md":
        print(as_markdown(comparison, rows))
    else:
        print(as_table(comparison, rows))
    return 1 if comparison.count("error") else 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="env_diff.py", description=__doc__)
    made.add_argument("files", nargs="+", type=Path, metavar="F", help="env files or platforms' JSON exports")
    made.add_argument("--names", help="the environments' names, by commas (default: from the files' names)")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    made.add_argument("--format", choices=("text", "md", "csv"), default="text")
    made.add_argument("--only-problems", action="store_true", help="leave out what is as it should be")
    made.add_argument("--check-connections", action="store_true", help="find one Redis behind two addresses")
    made.add_argument("--catalogue", type=Path, help=f"the team's own keys (default: {TEAM_KEYS})")
    return made


def _sides(files: list[Path], names: str | None) -> tuple[Side, ...]:
    given = [name.strip() for name in names.split(",")] if names else [_name(path) for path in files]
    if len(given) != len(files) or not all(given):
        raise UnreadableSource(f"--names lists {len(given)} names for {len(files)} files. Give one name a file.")
    if len(set(given)) != len(given):
        if names:
            raise UnreadableSource("--names lists a name twice. Give each file its own.")
        given = [f"{name}-{number}" for number, name in enumerate(given, 1)]
    return tuple(
        Side(name=name, role=Mode.of(name).role, document=reading.read_file(path))
        for name, path in zip(given, files, strict=True)
    )


def _name(path: Path) -> str:
    """`staging` from `.env.staging`, `staging.env` or `staging.env.example`."""
    words = [word for word in path.name.split(".") if word and word not in {"env", "json", "txt", "example"}]
    return words[0] if words else path.parent.name or path.name


def _shared(sides: tuple[Side, ...]) -> tuple[tuple[str, str], ...]:
    import asyncio

    from services.envs.live import shared_redis

    print("Asking …", file=sys.stderr)
    found = []
    for number, side in enumerate(sides):
        others = {other.name: other.document for other in sides[number + 1 :]}
        found += [(side.name, name) for name in asyncio.run(shared_redis(side.document, others))]
    return tuple(found)


if __name__ == "__main__":
    gc.disable()  # a process of half a second: collecting garbage would cost a tenth of it
    sys.exit(guarded("env_diff.py", main))
