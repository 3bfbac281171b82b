"""What a reading took from outside, made storable and free of the environment's own secrets: once, for every probe.

An application may give a token back as a dependency's name, a version or a redirect's host; without this it would stay
in append-only evidence for ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pydantic import SecretStr

from services.dependencies.inngest.sdk import api_token, bare_key, is_hexadecimal
from services.dependencies.model import Check, Measure, Reading, RunSeen
from services.outside import storable
from services.redact import removing

if TYPE_CHECKING:
    from services.settings.model import Environment

_PASSWORD = re.compile(r"^[a-z]+://[^:@/]*:(?P<password>.+)@[^@]*$", re.I)
MAX_DEPTH, MAX_TEXT = 12, 4000


def cleaned(environment: Environment, reading: Reading) -> Reading:
    """The reading as it may be stored and shown."""
    text = cleaner(environment)
    return replace(
        reading,
        latency_ms=_finite(reading.latency_ms),
        detail=_walk(reading.detail, text),
        words=_walk(reading.words, text),
        measures=tuple(_measure(measure) for measure in reading.measures),
        checks=tuple(_check(check, text) for check in reading.checks),
        version=None if reading.version is None else text(reading.version),
        runs=tuple(_run(run, text) for run in reading.runs),
    )


def _measure(measure: Measure) -> Measure:
    value = _finite(measure.value)
    return measure if value == measure.value else replace(measure, value=None, good=None)


def _check(check: Check, text: Callable[[str], str]) -> Check:
    return replace(
        check, name=text(check.name), value=_plain(check.value, text), threshold=_plain(check.threshold, text)
    )


def _run(run: RunSeen, text: Callable[[str], str]) -> RunSeen:
    tries = None if run.tries is None else tuple(replace(step, name=text(step.name)) for step in run.tries)
    return replace(run, id=text(run.id), app=text(run.app), function=text(run.function), tries=tries)


def _plain(value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return text(value)
    return _finite(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _finite(value: float | None) -> float | None:
    """The number, where a double holds it and JSON can write it."""
    try:
        return value if value is None or math.isfinite(value) else None
    except OverflowError:  # a whole number beyond any double
        return None


def _walk(value: Any, text: Callable[[str], str], depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, Mapping):
        return {text(str(key)): _walk(inner, text, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(inner, text, depth + 1) for inner in value]
    return _plain(value, text)


def cleaner(environment: Environment) -> Callable[[str], str]:
    """A function that makes a text storable and takes this environment's secrets out of it."""
    remove = removing(*known(environment))

    def clean(text: str) -> str:
        return remove(storable(text[: 2 * MAX_TEXT]))[:MAX_TEXT]  # cut last: a half secret is one, too

    return clean


def known(environment: Environment) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Every credential in the forms that the environment gives it, and addresses that hold one."""
    credentials: set[str] = set()
    addresses: set[str] = set()
    secrets = environment.secrets
    own = (getattr(secrets, name) for name in type(secrets).model_fields)
    for value in (*own, *environment.variables.values()):
        if not isinstance(value, SecretStr):
            continue
        text = value.get_secret_value()
        if "://" not in text:
            credentials.add(text)
            continue
        addresses.add(text)
        password = _PASSWORD.match(text)
        if password:
            credentials |= {password["password"], unquote(password["password"])}
    if secrets.inngest_signing_key is not None:
        key = secrets.inngest_signing_key.get_secret_value()
        credentials -= {key}  # its prefix, signkey-prod-, is no secret
        addresses.add(key)
        credentials |= {bare_key(key)} | ({api_token(key)} if is_hexadecimal(bare_key(key)) else set())
    return tuple(sorted(credentials)), tuple(sorted(addresses))
