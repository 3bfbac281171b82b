"""Write an env file safely: `python scripts/bootstrap_runtime_reliability.py --mode M --env-file F [values]`.

Prints the plan (names and actions, never values), then applies it: all or nothing, with a backup. A filled secret
stays unless --replace names it. Secrets are best given with --from-stdin, as KEY=VALUE lines: what stands on a
command line is seen by others. Exit: 0 done, 1 not written (or --validate fails), 2 wrong usage, 3 as validate.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from services import clock
from services.access import local_operator
from services.crash import guarded
from services.env_files import writer
from services.env_files.document import UnreadableSource, from_text
from services.envs import catalogue as catalogues
from services.envs import writing
from services.envs.catalogue import Catalogue
from services.envs.findings import Mode
from services.envs.plan import Action, RefusedPlan
from services.envs.writing import Preview
from services.errors import SettingsError
from services.paths import TEAM_KEYS

VALUES = {
    "redis_url": "REDIS_URL",
    "inngest_signing_key": "INNGEST_SIGNING_KEY",
    "inngest_event_key": "INNGEST_EVENT_KEY",
    "webhook_url": "INNGEST_WEBHOOK_URL",
}
MAX_STDIN_CHARS = 1 << 20


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        catalogue = catalogues.chosen(options.catalogue)
        if options.undo:
            return _undo(options)
        made = _preview(catalogue, options)
    except (UnreadableSource, SettingsError, RefusedPlan) as error:
        print(error, file=sys.stderr)
        return 2
    return _carry_out(made, options)


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="bootstrap_runtime_reliability.py", description=__doc__)
    made.add_argument("--mode", required=True, help="staging, production, or another environment's name")
    made.add_argument("--env-file", required=True, type=Path, help="the file to write; made where there is none")
    for name, key in VALUES.items():
        made.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=f"the value of {key}")
    made.add_argument("--enforce", action="store_true", help="strict: REDIS_REQUIRED and INNGEST_REQUIRED true")
    made.add_argument("--from-stdin", action="store_true", help="read KEY=VALUE lines from standard input")
    made.add_argument("--replace", action="append", default=[], metavar="KEY", help="replace this key's value, too")
    made.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    made.add_argument("--validate", action="store_true", help="validate the file afterwards; its exit status counts")
    made.add_argument("--undo", action="store_true", help="bring back the newest backup")
    made.add_argument("--catalogue", type=Path, help=f"the team's own keys (default: {TEAM_KEYS})")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def _preview(catalogue: Catalogue, options: argparse.Namespace) -> Preview:
    given = {key: getattr(options, name) for name, key in VALUES.items() if getattr(options, name) is not None}
    if options.from_stdin:
        given |= _from_stdin()
    return writing.preview(
        options.env_file,
        catalogue,
        Mode.of(options.mode),
        {key: value.strip() for key, value in given.items()},
        enforce=options.enforce,
        insist=frozenset(options.replace),
    )


def _from_stdin() -> dict[str, str]:
    text = sys.stdin.read(MAX_STDIN_CHARS + 1)
    if len(text) > MAX_STDIN_CHARS:
        raise RefusedPlan("Standard input holds more than 1 MiB: that is no list of values.")
    read = from_text(text, "standard input")
    if read.bad_lines:
        raise RefusedPlan(
            f"Line {read.bad_lines[0]} of standard input can't be read as KEY=value. Nothing was written."
        )
    return {key: value or "" for key, value in read.values.items()}


def _undo(options: argparse.Namespace) -> int:
    if options.dry_run:
        kept = writer.backups(options.env_file)
        what = f"Would bring back {kept[0].name}." if kept else f"There is no backup of {options.env_file}."
        _say({"undo": str(kept[0]) if kept else None, "applied": False}, what, options)
        return 0 if kept else 1
    try:
        done = writer.undo(options.env_file, now=clock.now())
    except writer.NotWritten as error:
        print(error, file=sys.stderr)
        return 1
    kept_as = str(done.backup) if done.backup else None
    _say(
        {"undone": str(done.path), "backup": kept_as},
        f"{done.path} is as it was before; {kept_as} keeps what stood there.",
        options,
    )
    return 0


def _carry_out(made: Preview, options: argparse.Namespace) -> int:
    plan = made.plan
    document: dict[str, Any] = {
        "env_file": str(options.env_file),
        "mode": options.mode,
        "actions": [{"key": a.key, "act": a.act, "why": a.why} for a in plan.actions],
        "applied": False,
        "backup": None,
    }
    lines = [f"{a.act:6}  {a.key}: {a.why}{_insist(a)}" for a in plan.actions]
    if plan.text is None:
        lines.append("Nothing to change.")
    elif options.dry_run:
        lines.append("Dry run: nothing was written.")
    else:
        try:
            done = writing.write(made, clock.now(), by=local_operator("command line"))
        except writer.NotWritten as error:
            print(error, file=sys.stderr)
            return 1
        document |= {"applied": True, "backup": str(done.backup) if done.backup else None}
        lines.append(f"Written: {options.env_file}." + (f" Backup: {done.backup}." if done.backup else ""))
    validation, status = _validated(options) if options.validate and options.env_file.exists() else (None, 0)
    if validation is not None:
        from scripts.validate_runtime_env import as_text

        document["validation"] = validation.document()
        lines += ["", as_text(validation)]
    _say(document, "\n".join(lines), options)
    return status


def _insist(action: Action) -> str:
    return f"; --replace {action.key} to change it" if action.insistable else ""


def _validated(options: argparse.Namespace) -> tuple[Any, int]:
    from scripts import validate_runtime_env

    words = ["--mode", options.mode, "--env-file", str(options.env_file)]
    words += ["--catalogue", str(options.catalogue)] if options.catalogue else []
    validation = validate_runtime_env.run(validate_runtime_env.parser().parse_args(words))
    return validation, validate_runtime_env.EXIT[validation.result]


def _say(document: dict[str, Any], text: str, options: argparse.Namespace) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False) if options.json else text)


if __name__ == "__main__":
    sys.exit(guarded("bootstrap_runtime_reliability.py", main))
