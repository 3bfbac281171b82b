"""Add an environment to greenlight.toml: `python3 start.py add [--name N --role R --base-url U --env-file F --yes]`.

What isn't given is asked for. The change is shown before anything is written; the file as it was is kept as a backup.
Exit: 0 added; 1 not added, as asked; 2 wrong answers, or the file can't be written (then the text to copy is printed).
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.crash import guarded, in_words

ROLES = ("staging", "production", "other")


@in_words
def main() -> int:
    """Ask, show, write."""
    options = _parse()
    from services import clock
    from services.access import local_operator
    from services.environments import draft
    from services.environments.draft import Draft
    from services.errors import SettingsError
    from services.store import Store
    from services.store.migrate import migrate

    given = Draft(
        name=options.name or _ask("Name, such as staging"),
        role=options.role or _ask("Role: staging, production or other", "staging"),
        base_url=options.base_url or _ask("Address of the application, such as https://staging.example.com"),
        env_file=_ask("Env file with its secrets (empty: none yet)", "") if options.env_file is None and _asks(options)
        else options.env_file or "",
        env_prefix=options.env_prefix or "",
        owner=options.owner or "",
    )  # fmt: skip
    try:
        made = draft.plan(given)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    print(made.diff)
    if options.dry_run:
        return 0
    if not draft.writable(made.path):
        print(f"{made.path} can't be written from here. Copy this to its end where it is kept:\n\n{made.table}",
              file=sys.stderr)  # fmt: skip
        return 2
    if not options.yes and _ask(f"Write this to {made.path}? yes or no", "yes").lower() not in {"y", "yes"}:
        print("Nothing was written.", file=sys.stderr)
        return 1
    store = Store.open(draft.settings_of(made.text, made.path).database_url.get_secret_value())
    migrate(store)
    done = draft.write(store, made, clock.now(), by=local_operator(options.by or getpass.getuser()))
    store.close()
    kept = f" The file as it was is kept as {done.backup.name}." if done.backup else ""
    print(f"{given.name} was added to {made.path}.{kept} A running Greenlight takes it up within seconds.")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="add_environment.py", description=__doc__)
    parser.add_argument("--name")
    parser.add_argument("--role", choices=ROLES)
    parser.add_argument("--base-url")
    parser.add_argument("--env-file", help="where its secrets are, relative to greenlight.toml")
    parser.add_argument("--env-prefix", help="prefix of the variables that hold its secrets")
    parser.add_argument("--owner", help="who answers for it, named in reports")
    parser.add_argument("--by", help="who adds it (default: your user name)")
    parser.add_argument("--dry-run", action="store_true", help="show the change, write nothing")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    return parser.parse_args()


def _asks(options: argparse.Namespace) -> bool:
    return not (options.yes or options.dry_run or options.env_prefix) and sys.stdin.isatty()


def _ask(question: str, usual: str | None = None) -> str:
    """An answer from the terminal; "" where nobody is there to ask, which the settings then refuse by name."""
    if not sys.stdin.isatty():
        return usual or ""
    hint = f" [{usual}]" if usual else ""
    return input(f"{question}{hint}: ").strip() or usual or ""


if __name__ == "__main__":
    sys.exit(guarded("add_environment.py", main))
