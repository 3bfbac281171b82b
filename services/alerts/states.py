"""What the states of an environment's probes mean for alerts: one cause each, with what is down because of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from services.advice import Advice
from services.alerts.judge import Seen, Symptom
from services.alerts.rules import ABOVE, CERTIFICATE_DAYS, SAYS_NOT_READY, SAYS_UNHEALTHY, SLOW_EVENTS, SLOW_INTERVALS
from services.alerts.setup import Watched
from services.channels.message import listed
from services.dependencies.messages import advice
from services.dependencies.own_network import CODE as OWN_NETWORK
from services.dependencies.registry import KINDS
from services.health.contradictions import leading
from services.health.evaluate import Dependency, Health, evaluate
from services.store.conditions import Condition

SOURCE = "health"
HEARTBEAT = "heartbeat"
_TITLES = {name: title for kind in KINDS.values() for name, title in kind.titles.items()}
# Failures of a connection: nobody answered, so what else lies on that host can't answer either.
_UNANSWERED = frozenset({"name_not_found", "name_unanswered", "no_connection", "refused", "unreachable", "timeout",
                         "closed", "tls_expired", "tls_untrusted", "tls_wrong_host", "tls_failed"})  # fmt: skip
LEAST_FOR_A_HOST = 2


def seen(watched: Watched, conditions: Iterable[Condition], now_ms: int) -> Seen:
    """What fails in an environment and what is known to be well."""
    asked = [c for c in conditions if c.probe in watched.probes]
    health = evaluate(watched.name, asked, now_ms, strict=watched.strict)
    found = {d.name: d for d in health.dependencies if d.measured}
    roots = {name: _root(name, found) for name, d in found.items() if _still_fails(d) and not _is_outdated(name, found)}
    led = leading(health.contradictions)
    symptoms = [
        _symptom(watched, found, root, tuple(sorted(n for n, top in roots.items() if top == root and n != root)), led)
        for root in dict.fromkeys(roots.values())
    ]
    symptoms = [*_by_host(watched, found, symptoms), *_slow(watched, found), *_certificates(watched, health)]
    failing = {s.cause for s in symptoms} | {cause for s in symptoms for cause in s.takes_in}
    known = {name for name, d in found.items() if _is_well(d)}
    known |= {f"{name}:{event}" for name in known for event in SLOW_EVENTS.values()}
    known |= {f"certificate:{c.probe}" for c in asked if _days(c) is not None}
    known |= {f"host:{host}" for host in set(watched.targets.values()) if _host_is_well(watched, host, found)}
    return Seen(
        symptoms=tuple(replace(s, simulated=watched.simulated) for s in symptoms),
        well=frozenset((watched.name, cause) for cause in known - failing),
    )


def name_of(dependency: Dependency) -> str:
    """What people call it."""
    first, _, instance = dependency.name.partition(":")
    if dependency.name == "readiness":
        return "the application"
    if instance and first in KINDS:
        return f"{KINDS[first].title.lower()} {instance}"
    return dependency.label or _TITLES.get(dependency.name, dependency.name)


def _root(name: str, found: Mapping[str, Dependency]) -> str:
    """The topmost thing that fails and explains this one. One failed check above a confirmed failure is enough."""
    above = next((top for top in _above(name, found) if top != name and _fails(found.get(top))), None)
    if above is None:
        return name
    return above if name in _above(above, found) else _root(above, found)


def _above(name: str, found: Mapping[str, Dependency]) -> Sequence[str]:
    codes = {p.code for p in found[name].probes if p.outcome == "down"} if name in found else set()
    if codes & (SAYS_NOT_READY | SAYS_UNHEALTHY):
        # It answers: what it requires and what fails is the cause; of a report, also that it isn't ready.
        required = [other for other, d in found.items() if d.required and other not in {"readiness", "dependencies"}]
        return [*required, "readiness"] if name == "dependencies" else required
    readiness = found.get("readiness")
    answers = readiness is not None and any(p.code in SAYS_NOT_READY for p in readiness.probes)
    return [top for below, top in ABOVE if _matches(name, below) and not (top == "readiness" and answers)]


def _matches(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _fails(dependency: Dependency | None) -> bool:
    """Whether its last check failed, confirmed or not."""
    return dependency is not None and any(p.state == "down" or p.outcome == "down" for p in dependency.probes)


def _still_fails(dependency: Dependency) -> bool:
    """Down, and not coming back: of what is coming back no alert is opened."""
    return any(p.state == "down" and p.outcome == "down" for p in dependency.probes)


def _is_outdated(name: str, found: Mapping[str, Dependency]) -> bool:
    """Whether what explained this failure came back after it was last checked: it will be checked again."""
    at_ms = max(p.at_ms for p in found[name].probes)
    return any(_came_back_ms(found.get(top)) > at_ms for top in _above(name, found))


def _came_back_ms(dependency: Dependency | None) -> int:
    """When it came back, of what works now; 0 for anything else."""
    if dependency is None or _fails(dependency) or not _is_well(dependency):
        return 0
    return max((p.since_ms for p in dependency.probes if p.state in {"ok", "slow"}), default=0)


def _outlasted(name: str, found: Mapping[str, Dependency]) -> frozenset[str]:
    """What came back while this went on failing: it is the same incident, which goes on under this name."""
    since_ms = min((p.since_ms for p in found[name].probes if p.state == "down"), default=0)
    return frozenset(top for top in _above(name, found) if _came_back_ms(found.get(top)) > since_ms)


def _is_well(dependency: Dependency) -> bool:
    """Known to be well: something of it works, nothing fails, and nothing is merely too old or was not measured."""
    states = {p.state for p in dependency.probes}
    unsure = any(p.state == "unknown" and p.code.startswith("prober.") for p in dependency.probes)
    return "down" not in states and bool(states & {"ok", "slow"}) and not unsure


def _leading(dependency: Dependency) -> Condition:
    """The probe that says why: one that is down, or else one whose last check failed."""
    rank = {"down": 0}
    return min(dependency.probes, key=lambda p: (rank.get(p.state, 1), p.outcome != "down"))


def _symptom(
    watched: Watched, found: Mapping[str, Dependency], root: str, below: tuple[str, ...], led: Mapping[str, Advice]
) -> Symptom:
    dependency = found[root]
    worst = _leading(dependency)
    said = led.get(worst.probe) or advice(worst.code, worst.detail.get("words"))
    if worst.outcome != "down":  # it is coming back: its newest finding explains nothing
        said = Advice(what="")
    return Symptom(
        environment=watched.name, cause=root, event=_event(dependency, [found[name] for name in below]),
        name=name_of(dependency), what=said.what, fix=said.fix,
        takes_in=frozenset(below) | _slow_causes((root, *below)) | _outlasted(root, found),
        also=tuple(name_of(found[name]) for name in below),
    )  # fmt: skip


def _slow_causes(names: Iterable[str]) -> frozenset[str]:
    """The causes under which these were known while they were merely slow."""
    return frozenset(f"{name}:{event}" for name in names for event in SLOW_EVENTS.values())


def _event(dependency: Dependency, below: Sequence[Dependency]) -> str:
    if dependency.name == "readiness":
        return "not_ready"
    if dependency.required or any(d.name == "readiness" for d in below):
        return "required_down"
    if dependency.name.startswith("queue:"):
        return "queue_late"
    return "job_late" if dependency.kind == HEARTBEAT else "optional_down"


def _by_host(watched: Watched, found: Mapping[str, Dependency], symptoms: Sequence[Symptom]) -> list[Symptom]:
    """Several dependencies behind one host that doesn't answer are one cause."""
    groups: dict[str, list[Symptom]] = {}
    for symptom in symptoms:
        worst = _leading(found[symptom.cause])
        host = watched.targets.get(worst.probe)
        unanswered = worst.code.rpartition(".")[2] in _UNANSWERED
        groups.setdefault(host if host is not None and unanswered else f"\0{symptom.cause}", []).append(symptom)
    made, many = [], {host for host, group in groups.items() if len(group) >= LEAST_FOR_A_HOST}
    for host, group in groups.items():
        if len(group) < LEAST_FOR_A_HOST:
            made += [_alone(watched, found, symptom, many) for symptom in group]
            continue
        names = tuple(s.name for s in group)
        first = min(group, key=lambda s: (s.event != "not_ready", s.event != "required_down"))
        page = first.event in {"not_ready", "required_down"}
        made.append(
            Symptom(
                environment=watched.name, cause=f"host:{host}", event="host_down" if page else "optional_down",
                name=listed(names, 3) if page else f"host of {listed(names, 3)}",
                what=f"{len(group)} things behind {host} don't answer. {first.what}".rstrip(), fix=first.fix,
                also=(*names, *(name for s in group for name in s.also)),
                takes_in=frozenset(s.cause for s in group).union(*(s.takes_in for s in group)),
            )
        )  # fmt: skip
    return made


def _alone(watched: Watched, found: Mapping[str, Dependency], symptom: Symptom, grouped: set[str]) -> Symptom:
    """What is left of several behind one host goes on in their alert."""
    hosts = {watched.targets[p.probe] for p in found[symptom.cause].probes if p.probe in watched.targets} - grouped
    return replace(symptom, takes_in=symptom.takes_in | {f"host:{host}" for host in hosts})


def _host_is_well(watched: Watched, host: str, found: Mapping[str, Dependency]) -> bool:
    """All that asks this host is well."""
    asking = [d for d in found.values() if any(watched.targets.get(p.probe) == host for p in d.probes)]
    return bool(asking) and all(_is_well(d) for d in asking)


def _slow(watched: Watched, found: Mapping[str, Dependency]) -> list[Symptom]:
    made = []
    for dependency in found.values():
        for probe in dependency.probes:
            event = SLOW_EVENTS.get(probe.code)
            lasted = probe.at_ms - probe.since_ms >= SLOW_INTERVALS * probe.interval_s * 1000
            if event is not None and probe.state == "slow" and lasted:
                said = advice(probe.code, probe.detail.get("words"))
                made.append(Symptom(environment=watched.name, cause=f"{dependency.name}:{event}", event=event,
                                    name=name_of(dependency), what=said.what, fix=said.fix))  # fmt: skip
    return made


def _certificates(watched: Watched, health: Health) -> list[Symptom]:
    made = []
    for dependency in health.dependencies:
        for probe in dependency.probes if dependency.measured else ():
            days = _days(probe)
            if days is not None and days < CERTIFICATE_DAYS and probe.state in {"ok", "slow"}:
                made.append(_certificate(watched, dependency, probe, days))
    return made


def _certificate(watched: Watched, dependency: Dependency, probe: Condition, days: float) -> Symptom:
    left = "today" if days < 1 else f"in {days:.0f} days"
    return Symptom(
        environment=watched.name, cause=f"certificate:{probe.probe}", event="certificate", name=name_of(dependency),
        what=f"The certificate ends {left}.", fix="Renew it, and see that the server is given the new one.",
    )  # fmt: skip


def _days(probe: Condition) -> float | None:
    """Days that a certificate is still valid for, as measured; None where none was seen."""
    certificate, facts = probe.detail.get("certificate"), probe.detail.get("facts")
    days = certificate.get("days_left") if isinstance(certificate, Mapping) else None
    if days is None and isinstance(facts, Mapping):
        days = facts.get("cert_days")
    return float(days) if isinstance(days, (int, float)) else None


def own_network(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """The environments of which something is not measured, as our own network is down."""
    return tuple(sorted({c.environment for c in conditions if c.code == OWN_NETWORK}))
