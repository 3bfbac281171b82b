"""Each configured environment's configuration now. Snapshot, validation and evidence, from file to store.

The worker inspects regularly; pages and command lines inspect when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from services import fingerprint
from services.env_files import reading
from services.env_files.document import Document, UnreadableSource, from_pairs
from services.envs import file_state
from services.envs.catalogue import Catalogue
from services.envs.findings import Mode
from services.envs.live import Live, against_reality
from services.envs.relations import Side
from services.envs.rules import Finding
from services.envs.validation import Validation, validate
from services.evidence import chain
from services.evidence.freshness import reading_is_stale
from services.evidence.model import Evidence, Outcome, due_again
from services.fingerprint import InstallationKey, Snapshot
from services.settings.load import prefixed
from services.settings.model import Environment, Settings
from services.store import Store, conditions, snapshots

CHECK = "env.validation"
CONNECTIONS_CHECK = "env.connections"
KEPT_FINDINGS = 100
OUTCOMES: Mapping[str, Outcome] = {"PASS": "pass", "FAIL": "fail", "RELAXED": "unknown", "INCONCLUSIVE": "unknown"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """One environment's configuration, read and judged at a moment."""

    environment: Environment
    document: Document
    validation: Validation
    snapshot: Snapshot | None


def mode_of(environment: Environment) -> Mode:
    """The mode that a configured environment stands for."""
    return Mode(
        name=environment.name,
        role=environment.role,
        simulated=environment.simulated,
        inngest_mode=environment.inngest.mode,
    )


def has_source(environment: Environment) -> bool:
    """Whether the environment's configuration can be read at all."""
    return environment.env_path is not None or environment.env_prefix is not None


def read(environment: Environment) -> Document:
    """The environment's configuration. Raises UnreadableSource, also where none is configured."""
    if environment.env_path is not None:
        return reading.read_file(environment.env_path)
    if environment.env_prefix is not None:
        pairs = sorted(prefixed(environment).items())
        return from_pairs(pairs, f"variables {environment.env_prefix}…", "variables")
    raise UnreadableSource(
        f"No env file is configured for {environment.name}. Set env_file in greenlight.toml, or upload a file."
    )


def sides(environments: Iterable[Environment]) -> tuple[Side, ...]:
    """The environments whose configuration can be read, each as a side of a comparison."""
    found = []
    for environment in environments:
        if has_source(environment):
            try:
                side = Side(name=environment.name, role=environment.role, document=read(environment))
            except UnreadableSource:
                continue  # its own validation says so; the others can still be compared
            if not side.document.encoding:
                found.append(side)
    return tuple(found)


def run(
    environment: Environment,
    settings: Settings,
    catalogue: Catalogue,
    *,
    key: InstallationKey | None,
    reported: Mapping[str, Any] | None = None,
    live: Live | None = None,
    now_ms: int,
) -> Inspection:
    """Read and judge, beside the other environments. Raises UnreadableSource."""
    document = read(environment)
    more: list[Finding] = (
        list(file_state.file_findings(environment.env_path)) if environment.env_path is not None else []
    )
    if live is not None:
        more += live.findings
    if reported is not None and not (live is not None and _asked_the_app(live)):
        more += against_reality(document, reported)
    validation = validate(
        document,
        catalogue,
        mode_of(environment),
        others=sides(neighbours(environment, settings)),
        more=more,
        connections=None if live is None else connection_fields(live),
        could_not_run=live is not None and live.could_not_run,
        env_file=environment.secrets_source,
    )
    taken = None
    if key is not None:
        taken = fingerprint.snapshot(
            document, key, environment=environment.name, source=environment.secrets_source, at_ms=now_ms
        )
    return Inspection(environment=environment, document=document, validation=validation, snapshot=taken)


def neighbours(environment: Environment, settings: Settings) -> list[Environment]:
    """The other environments; simulated ones are only ever compared with simulated ones."""
    return [
        other
        for other in settings.environments
        if other.name != environment.name and other.simulated == environment.simulated
    ]


def _asked_the_app(live: Live) -> bool:
    return any(c.name == "dependencies" and c.state == "ok" for c in live.connections)


def connection_fields(live: Live) -> dict[str, dict[str, Any]]:
    """Connections as JSON."""
    return {
        c.name: {"state": c.state, "sentence": c.advice.what, "fix": c.advice.fix, "latency_ms": c.latency_ms}
        for c in live.connections
    }


def reported_by_the_app(store: Store, environment: str, now_ms: int) -> Mapping[str, Any] | None:
    """What the running application last said of its dependencies; None where that is old or unknown."""
    with store.read() as connection:
        found = next((c for c in conditions.load(connection, environment) if c.probe == "dependencies"), None)
    if found is None or reading_is_stale(found.at_ms, found.interval_s, now_ms):
        return None
    reported = found.detail.get("reported")
    return reported if isinstance(reported, dict) else None


def record(store: Store, seen: Inspection, *, by: str, now_ms: int, always: bool = False) -> bool:
    """Keep snapshot and evidence; evidence only where it says something new or the last is an hour old."""
    environment, validation = seen.environment, seen.validation
    proof = Evidence(
        environment=environment.name,
        check=CHECK,
        outcome=OUTCOMES[validation.result],
        at_ms=now_ms,
        value=validation.result,
        threshold="PASS",
        code=f"env.{validation.result.lower()}",
        fingerprint=None if seen.snapshot is None else seen.snapshot.fingerprint,
        simulated=environment.simulated,
        detail={
            "by": by,
            "policy": validation.policy,
            "digest": validation.digest,
            "errors": validation.count("error"),
            "warnings": validation.count("warning"),
            "findings": [_kept(f) for f in validation.findings[:KEPT_FINDINGS]],
            "missing_required": list(validation.missing_required),
            "connections": None if validation.connections is None else dict(validation.connections),
        }
        | _worst(validation),
    )
    with store.read() as connection:
        before = next((e for e in chain.latest(connection, environment.name) if e.check == CHECK), None)
        last = snapshots.newest(connection, environment.name)
    says_more = always or _says_more(proof, before)
    unchanged = seen.snapshot is None or (last is not None and last.fingerprint == seen.snapshot.fingerprint
                                          and now_ms - last.last_ms < snapshots.LENGTHEN_AFTER_MS)  # fmt: skip
    if unchanged and not says_more:
        return False
    with store.write() as connection:
        if seen.snapshot is not None:
            snapshots.note(connection, seen.snapshot)
        if says_more:
            proofs = [proof]
            if validation.connections is not None:
                proofs.append(_connections_proof(proof, validation))
            chain.append(store, connection, proofs)
    return says_more


def _kept(found: Finding) -> dict[str, Any]:
    return {"key": found.key, "rule": found.rule, "severity": found.severity, "line": found.line}


def _worst(validation: Validation) -> dict[str, Any]:
    """The first error in words, for the person who asks why it fails; and what to do."""
    first = next((f for f in validation.findings if f.severity == "error"), None)
    if first is None:
        return {}
    more = validation.count("error") - 1
    others = f" And {more} more error{'s' if more > 1 else ''}." if more else ""
    return {"why": first.advice.what + others, "fix": first.advice.fix}


def _says_more(proof: Evidence, before: Evidence | None) -> bool:
    if before is None or due_again(proof.at_ms, before.at_ms):
        return True
    return (proof.outcome, proof.code, proof.fingerprint, proof.detail["digest"]) != (
        before.outcome,
        before.code,
        before.fingerprint,
        before.detail.get("digest"),
    )


def _connections_proof(proof: Evidence, validation: Validation) -> Evidence:
    """The live checks as evidence of their own: they grow stale by themselves, the file's findings don't."""
    states = {c["state"] for c in (validation.connections or {}).values()}
    outcome: Outcome = "fail" if "failed" in states else "unknown" if states - {"ok"} or not states else "pass"
    return replace(
        proof,
        check=CONNECTIONS_CHECK,
        outcome=outcome,
        value=outcome,
        threshold="pass",
        code=f"env.connections_{outcome}",
        detail={"by": proof.detail["by"], "connections": dict(validation.connections or {})} | _refused(validation),
    )


def _refused(validation: Validation) -> dict[str, Any]:
    """The first connection that failed, else the first that could not be tried, in words; and what to do."""
    tried = list((validation.connections or {}).values())
    found = next((c for state in ("failed", "unknown") for c in tried if c["state"] == state), None)
    if found is None:
        return {}
    return {"why": found["sentence"], "fix": found["fix"]}
