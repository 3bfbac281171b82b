"""Write a report on an environment: sealed, so that its reader can check that nobody changed it.

Exit status: 0 written and the verdict is Go, 1 written and No-Go, 3 written and not enough evidence, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from services.access import local_operator
from services.crash import guarded, in_words
from services.errors import StoreError
from services.settings import load

STATUSES = {"GO": 0, "NO_GO": 1, "INCONCLUSIVE": 3}


@in_words
def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="completion_report.py", description=__doc__)
    parser.add_argument("--env", help="environment (default: the first one configured)")
    parser.add_argument("--kind", choices=("completion", "leadership"), default="completion")
    parser.add_argument("--format", choices=("md", "html", "pdf", "json"), help="default: as the file's name ends")
    parser.add_argument("-o", "--output", required=True, metavar="F", help="the file to write")
    options = parser.parse_args(arguments)
    path = Path(options.output)
    from services.report import exports
    from services.report.make import report
    from services.report.seal import FORMATS

    wanted = options.format or path.suffix.removeprefix(".").lower()
    format_ = next((known for known in FORMATS if known == wanted), None)
    if format_ is None:
        parser.error(f"{path.name} ends in no known format: name one with --format md, html, pdf or json")
    from services.store.migrate import opened

    try:
        settings = load()
        name = options.env or settings.names[0]
        with opened(settings.database_url.get_secret_value()) as store:
            made = report(store, settings, name, options.kind)
            content = made.file(format_)
            try:
                exports.note(store, made, format_, content, local_operator("command line"))
            except StoreError as error:  # a copy that can only be read gives its reports all the same
                print(f"That it was made is not noted: {error}", file=sys.stderr)
        draft = path.with_name(path.name + ".draft")
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        print(f"The report can't be written to {path} ({error.strerror}).", file=sys.stderr)
        return 2
    verdict = made.found["verdict"]
    print(f"{path}: {verdict['words']} for {name}. {verdict['why']}", file=sys.stderr)
    return STATUSES[verdict["state"]]


if __name__ == "__main__":
    sys.exit(guarded("completion_report.py", main))
