"""Make, import, check, compare and publish golden sets: `golden_set.py init|import|validate|diff|publish`.

Exit: 0 done (diff: nothing differs), 1 it differs, or some of an import was left out, 2 wrong usage, an unsound set,
or a file that would be overwritten.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.crash import guarded
from services.errors import GreenlightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.replay.authoring.cases import Imported, Left
    from services.traces.model import Span

MOST_BYTES = 64 << 20
MOST_SHOWN = 200
MOST_DRAFTS = 50  # of one import: a person has to read each


class _Wrong(GreenlightError):
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except GreenlightError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or 'A file'} can't be read or written ({error.strerror}).", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="golden_set.py", description=__doc__)
    verbs = made.add_subparsers(required=True, metavar="VERB")
    init = verbs.add_parser("init", help="write a first set of two cases, and an agent that passes them")
    init.add_argument("folder", type=Path, nargs="?", default=Path("golden_set"), help="where (golden_set)")
    init.set_defaults(run=_init)
    imported = verbs.add_parser("import", help="make cases from a file that you have")
    imported.add_argument("file", type=Path)
    imported.add_argument("--from", dest="kind", required=True, choices=("csv", "jsonl", "promptfoo", "traces"))
    imported.add_argument("--to", type=Path, metavar="SET", help="the set to write or to add to; without it, a preview")
    imported.add_argument("--name", default="", help="the name of a new set")
    imported.add_argument("--category", default="", help="of cases that name none")
    imported.add_argument("--expected", choices=("contains", "equals"), default="contains",
                          help="what an answer must do with an expected text (contains)")  # fmt: skip
    imported.add_argument(
        "--path", default="", metavar="FIELD", help="where the text is in your agent's output, such as text"
    )
    imported.add_argument("--prompt", type=int, metavar="NUMBER", help="promptfoo: which of several prompts")
    imported.add_argument("--replace", action="store_true", help="write over cases of the same id")
    imported.add_argument("--json", action="store_true", help="print one JSON document")
    imported.set_defaults(run=_import)
    validate = verbs.add_parser("validate", help="check a set")
    validate.add_argument("set", type=Path)
    validate.set_defaults(run=_validate)
    diff = verbs.add_parser("diff", help="say what changed between two sets")
    diff.add_argument("old", type=Path)
    diff.add_argument("new", type=Path)
    diff.add_argument("--json", action="store_true", help="print one JSON document")
    diff.set_defaults(run=_diff)
    publish = verbs.add_parser("publish", help="add the cases of one set to another, as its next version")
    publish.add_argument("cases", type=Path, help="a set, such as a draft")
    publish.add_argument("--to", type=Path, required=True, metavar="SET", help="the set that grows")
    publish.add_argument("--version", default="", help="its new version (the next one)")
    publish.add_argument("--remove", default="", metavar="ID,…", help="cases to retire with it")
    publish.add_argument("--replace", action="store_true", help="write over cases of the same id")
    publish.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")
    publish.set_defaults(run=_publish)
    return made


def _init(options: argparse.Namespace) -> int:
    from services import clock
    from services.replay.authoring import starter

    folder: Path = options.folder
    there = [name for name in starter.files("") if (folder / name).exists()]
    if there:
        raise _Wrong(f"{folder / there[0]} is there already, and nothing was written. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in starter.files(clock.now().date().isoformat()).items():
        (folder / name).write_text(text, encoding="utf-8")
    print(f"Two cases are in {folder / starter.SET}, an agent that passes them in {folder / starter.AGENT}. Try it:")
    print(f"python scripts/replay_harness.py --golden {folder / starter.SET} "
          f'--agent "command:python {folder / starter.AGENT}"')  # fmt: skip
    return 0


def _import(options: argparse.Namespace) -> int:
    found = _found(options)
    cases = [case | {"category": options.category} if options.category and case["category"] == "imported" else case
             for case in found.cases]  # fmt: skip
    lines = _written(options, cases) if cases else []
    if options.json:
        print(json.dumps({
            "cases": cases, "left_out": [_left(item) for item in found.left_out],
            "notes": [_left(item) for item in found.notes],
            "written": str(options.to) if lines and options.to else None,
        }, indent=2, ensure_ascii=False))  # fmt: skip
    else:
        for line in (*_said(found, len(cases)), *lines):
            print(line)
    return 1 if found.left_out or not cases else 0


def _found(options: argparse.Namespace) -> Imported:
    from services import clock
    from services.replay.authoring import lines, promptfoo, spreadsheet

    file: Path = options.file
    day = clock.now().date().isoformat()
    if file.stat().st_size > MOST_BYTES:
        raise _Wrong(f"{file} is larger than 64 MiB. Split it.")
    if options.kind == "promptfoo":
        return promptfoo.read(
            file, source=f"promptfoo {file.name}", added=day, path=options.path, prompt=options.prompt
        )
    if options.kind == "traces":
        return _of_traces(file)
    read = spreadsheet.read if options.kind == "csv" else lines.read
    return read(file.read_bytes(), source=file.name, added=day, how=options.expected, path=options.path)


def _of_traces(file: Path) -> Imported:
    """Drafts from a trace file: they go into the store, as a person writes what must hold."""
    import getpass

    from services import access, drafting
    from services.replay.authoring import drafts
    from services.replay.authoring.cases import Collected
    from services.settings import load
    from services.store.migrate import opened
    from services.traces.cleaning import Cleaner
    from services.traces.columns import Columns
    from services.traces.follow import Standing, step
    from services.traces.model import Span

    made, settings = Collected(source=file.name, added=""), load()
    standing, columns, more = Standing(), Columns(Cleaner(content=True)), True
    traces: dict[str, list[Span]] = {}
    while more:
        found = step(file, standing, columns)
        standing, more = found.standing, found.more
        for span in (Span(**row) for row in found.spans.to_pylist()):
            traces.setdefault(span.trace_id, []).append(span)
    for place, why in standing.examples:
        made.leave(place, f"The line can't be used: {why}.")
    person = access.local_operator(getpass.getuser())
    with opened(settings.database_url.get_secret_value(), prepare=True) as store:
        for spans in list(traces.values())[:MOST_DRAFTS]:
            material = drafting.material(sorted(spans, key=lambda span: span.start_ms))
            drafts.propose(store, settings, material, person, why=f"Imported from {file.name}")
    count = min(len(traces), MOST_DRAFTS)
    if len(traces) > MOST_DRAFTS:
        made.leave("the rest", f"{len(traces) - MOST_DRAFTS} more traces are left out.", "Import a smaller file.")
    if not count:
        made.leave("the file", "It holds no span that can be used.")
    made.note("drafts", f"{count} drafts were made. What an agent did is no expectation, so nothing counts yet.",
              "Open Replay harness, Draft cases, and write what must hold.")  # fmt: skip
    return made.done()


def _said(found: Imported, cases: int) -> list[str]:
    made = [f"Cases found: {cases}. Entries left out: {len(found.left_out)}."]
    for title, items in (("Left out:", found.left_out), ("To know:", found.notes)):
        if items:
            made += [title, *(f"  {item}" for item in items[:MOST_SHOWN])]
            made += [f"  and {len(items) - MOST_SHOWN} more; --json lists all."] if len(items) > MOST_SHOWN else []
    return made


def _written(options: argparse.Namespace, cases: Sequence[dict[str, Any]]) -> list[str]:
    """Write the cases, or say what they would be; the lines to print."""
    from services import clock
    from services.replay.authoring import difference, publish
    from services.replay.authoring.cases import slug

    target: Path = options.to or Path(f"{slug(options.file.stem, '_') or 'imported'}.json")
    name = options.name or slug(target.stem, "_") or "imported"
    plan = publish.plan(target, cases, name="" if target.exists() else name, today=clock.now().date(),
                        replacing=options.replace)  # fmt: skip
    shown = list(difference.lines(plan.difference))
    if options.to is None:
        return [*shown, "Nothing was written: add --to SET to write these cases."]
    if plan.difference.is_empty and plan.base_sha256:
        return [f"{target} holds these cases already."]
    kept = publish.write(plan)
    old = f" The version before is kept as {kept.name}." if kept is not None else ""
    return [*shown, f"{target} is version {plan.version} now.{old}",
            f"Check it against your agent: python scripts/replay_harness.py --golden {target} --agent …"]  # fmt: skip


def _left(item: Left) -> dict[str, str]:
    return {"place": item.place, "what": item.advice.what, "fix": item.advice.fix}


def _validate(options: argparse.Namespace) -> int:
    from services.replay import golden

    found = golden.read(options.set)
    critical = sum(any(c.critical for c in case.criteria) for case in found.cases)
    print(f"{found.name} {found.version} is sound: {len(found.cases)} cases, {critical} of them critical.")
    return 0


def _diff(options: argparse.Namespace) -> int:
    from services.replay import golden
    from services.replay.authoring import difference

    for file in (options.old, options.new):
        golden.read(file)
    found = difference.between(golden.raw(options.old), golden.raw(options.new))
    if options.json:
        print(json.dumps(difference.as_json(found), indent=2, ensure_ascii=False))
    else:
        print("\n".join(difference.lines(found)) or "Nothing differs.")
    return 1 if found.own or found.cases else 0


def _publish(options: argparse.Namespace) -> int:
    from services import clock
    from services.replay import golden
    from services.replay.authoring import difference, publish

    golden.read(options.cases)
    raw = golden.own(options.cases)
    removed = [id_.strip() for id_ in options.remove.split(",") if id_.strip()]
    plan = publish.plan(options.to, raw["cases"], version=options.version, today=clock.now().date(), removed=removed,
                        name="" if options.to.exists() else raw["name"], replacing=options.replace)  # fmt: skip
    print("\n".join(difference.lines(plan.difference)) or "Nothing differs.")
    if options.dry_run or (plan.difference.is_empty and plan.base_sha256):
        return 0
    kept = publish.write(plan)
    old = f" The version before is kept as {kept.name}." if kept is not None else ""
    print(f"{options.to} is version {plan.version} now.{old} Commit it with the reason.")
    return 0


if __name__ == "__main__":
    sys.exit(guarded("golden_set.py", main))
