"""Check that an env file holds what an environment needs. `python scripts/validate_runtime_env.py --mode M --env-file
F`.

Exit: 0 PASS, 1 FAIL, 3 RELAXED (nothing is enforced; 0 with --allow-relaxed) or a check that couldn't run, 2 wrong
usage. The last line is `Result: …`. The file alone counts: variables of this shell never fill it up.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from services.crash import guarded
from services.env_files import reading
from services.env_files.document import Document, UnreadableSource
from services.envs import catalogue as catalogues
from services.envs import file_state
from services.envs.findings import Mode
from services.envs.relations import Side
from services.envs.rules import SEVERITIES
from services.envs.validation import Validation, validate
from services.errors import GreenlightError, SettingsError
from services.paths import TEAM_KEYS, config_path

if TYPE_CHECKING:
    from services.envs.live import Live
    from services.settings.model import Environment, Settings

EXIT = {"PASS": 0, "FAIL": 1, "RELAXED": 3, "INCONCLUSIVE": 3}


def parser() -> argparse.ArgumentParser:
    """The command line's options."""
    made = argparse.ArgumentParser(prog="validate_runtime_env.py", description=__doc__)
    made.add_argument("--mode", required=True, help="staging, production, or a configured environment's name")
    made.add_argument("--env-file", required=True, type=Path, help="env file, or a platform's JSON export")
    made.add_argument("--other-env-file", action="append", type=Path, default=[], metavar="F",
                      help="another environment's file, whose secrets must differ (again for more)")  # fmt: skip
    made.add_argument("--check-connections", action="store_true", help="ask Redis and the application itself")
    made.add_argument("--verify-inngest-route", action="store_true", help="ask the address in INNGEST_WEBHOOK_URL")
    made.add_argument("--strict", action="store_true", help="fail on warnings, and where strict mode isn't on")
    made.add_argument("--allow-relaxed", action="store_true", help="exit 0 where nothing is enforced")
    made.add_argument("--catalogue", type=Path, help=f"the team's own keys (default: {TEAM_KEYS})")
    made.add_argument("--json", action="store_true", help="print one JSON document")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        validation = run(options)
    except (UnreadableSource, GreenlightError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(validation.document(), indent=2, ensure_ascii=False) if options.json else as_text(validation))
    if validation.result == "RELAXED" and options.allow_relaxed:
        return 0
    return EXIT[validation.result]


def run(options: argparse.Namespace) -> Validation:
    """Read, check, judge, and keep the evidence where the file is a configured environment's."""
    catalogue = catalogues.chosen(options.catalogue)
    document = reading.read_file(options.env_file)
    settings = _settings()
    environment = configured(settings, options.mode, options.env_file)
    mode = _mode(options.mode, environment, settings)
    others = _others(options.other_env_file, settings, environment)
    more = list(file_state.file_findings(options.env_file))
    live = None
    if options.check_connections or options.verify_inngest_route:
        live = _live(document, mode, environment, others, options)
        more += live.findings
    validation = validate(
        document,
        catalogue,
        mode,
        others=others,
        more=more,
        connections=None if live is None else _connections(live),
        could_not_run=live is not None and live.could_not_run,
        strict=options.strict,
        env_file=str(options.env_file),
    )
    if settings is not None and environment is not None:
        _keep(settings, environment, document, validation)
    return validation


def _settings() -> Settings | None:
    """The installation's settings where there are any; they cost time, so only then."""
    if not config_path().is_file():
        return None
    from services.settings import load

    return load()


def configured(settings: Settings | None, name: str, path: Path) -> Environment | None:
    """The configured environment of that name, if this is its file."""
    for environment in settings.environments if settings is not None else ():
        if environment.name == name and environment.env_path == path.resolve():
            return environment
    return None


def _mode(name: str, environment: Environment | None, settings: Settings | None) -> Mode:
    if environment is None:
        environment = next((e for e in (settings.environments if settings else ()) if e.name == name), None)
    if environment is None:
        return Mode.of(name)
    return Mode(
        name=environment.name,
        role=environment.role,
        simulated=environment.simulated,
        inngest_mode=environment.inngest.mode,
    )


def _others(paths: list[Path], settings: Settings | None, environment: Environment | None) -> tuple[Side, ...]:
    """The neighbours to compare with: the files named, else what is configured beside this environment."""
    if paths:
        return tuple(Side(name=path.name, role="other", document=reading.read_file(path)) for path in paths)
    if settings is None or environment is None:
        return ()
    from services.envs.inspect import neighbours, sides

    return sides(neighbours(environment, settings))


def _live(
    document: Document,
    mode: Mode,
    environment: Environment | None,
    others: tuple[Side, ...],
    options: argparse.Namespace,
) -> Live:
    import asyncio

    from services.envs import live

    print("Asking …", file=sys.stderr)
    return asyncio.run(
        live.check(
            document,
            mode,
            environment,
            connections=options.check_connections,
            route=options.verify_inngest_route,
            others={side.name: side.document for side in others},
        )
    )


def _connections(found: Live) -> dict[str, dict[str, object]]:
    from services.envs.inspect import connection_fields

    return connection_fields(found)


def _keep(settings: Settings, environment: Environment, document: Document, validation: Validation) -> None:
    """Leave evidence; a store that can't take it is said, and changes nothing about the result."""
    from services import clock, fingerprint
    from services.envs.inspect import Inspection, record
    from services.errors import StoreError
    from services.store import Store
    from services.store.migrate import check

    now = clock.now_ms()
    try:
        key = fingerprint.installation_key(settings.data_dir)
        taken = fingerprint.snapshot(
            document, key, environment=environment.name, source=environment.secrets_source, at_ms=now
        )
        store = Store.open(settings.database_url.get_secret_value())
        try:
            check(store)
            seen = Inspection(environment=environment, document=document, validation=validation, snapshot=taken)
            record(store, seen, by="command line", now_ms=now, always=True)
        finally:
            store.close()
    except (StoreError, SettingsError) as error:
        print(f"No evidence was kept: {error}", file=sys.stderr)


def as_text(validation: Validation) -> str:
    """The findings for a person, the result in the last line."""
    mark = " (simulated)" if validation.simulated else ""
    lines = [f"{validation.env_file} as {validation.mode}{mark}: policy {validation.policy}"]
    for severity in SEVERITIES:
        for found in validation.findings:
            if found.severity == severity:
                place = f" (line {found.line})" if found.line else ""
                lines += [f"  {severity:8}{found.advice.what}{place} [{found.rule}]", f"          → {found.advice.fix}"]
    for name, item in (validation.connections or {}).items():
        lines.append(f"  {name}: {item['state']}. {item['sentence']}")
    if validation.result == "RELAXED":
        lines.append("Relaxed: nothing is enforced, so nothing was proven. This is not a pass.")
    if validation.result == "INCONCLUSIVE":
        lines.append("Not enough evidence: a check that was asked for could not be made.")
    return "\n".join([*lines, f"Result: {validation.result}"])


if __name__ == "__main__":
    sys.exit(guarded("validate_runtime_env.py", main))
