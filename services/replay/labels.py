"""People label answers of past runs without knowing whose they are. The queue, its next question, and what it came to.

A batch is the same for everybody who begins at the same moment, so two people can label the same answers.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection

from services import access
from services.access import Person
from services.clock import DAY_MS
from services.redact import scrub, with_texts
from services.replay import agreement, bodies, golden
from services.replay.agreement import Kappa
from services.replay.model import Criterion, GoldenCase, Outcome
from services.replay.runs import WrongRun
from services.store import Store, labels, replays
from services.store.labels import Kept, Label

BATCH = 20  # questions: about ten minutes
LATELY_DAYS = 30
MOST_CANDIDATES = 1_000
PACE_MS = 30_000  # a question, before a person's own pace is known
LONGEST_PAUSE_MS = 300_000  # a longer one was a pause, and is no pace
Asked = tuple[str, int, str]  # run, position, criterion
WORDS = ("pass", "fail", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One criterion of one answer, without whose it is or what the judge said; texts are scrubbed."""

    run_id: str
    position: int
    case: GoldenCase
    criterion: Criterion
    asked: Mapping[str, Any]
    output: Any
    tool_calls: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """How far a person is in a batch, and what comes next; `next_one` is None when it is done or empty."""

    total: int
    done: int
    left_ms: int
    next_one: Question | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """What the labels came to: each judge beside the people, and the people beside each other."""

    judges: Mapping[str, Kappa]  # by the judge's name and the beginning of its hash
    alpha: float | None  # of the people
    people: Mapping[str, int]
    shared: int  # questions that two or more people answered with pass or fail
    unknown: int


def queue(store: Store, begun_ms: int, by: Person) -> Queue:
    """The batch that was begun at that moment, as far as this person is."""
    with store.read() as connection:
        own = labels.everything(connection, _of(by))
        before = {(w.run_id, w.position, w.criterion) for w in own if w.at_ms < begun_ms}
        batch = _batch(connection, begun_ms, before)
        since = {(w.run_id, w.position, w.criterion): w.at_ms for w in own if w.at_ms >= begun_ms}
        open_ = [item for item in batch if item not in since]
        question = _question(connection, *open_[0]) if open_ else None
    moments = sorted(at for item, at in since.items() if item in batch)
    return Queue(total=len(batch), done=len(batch) - len(open_), left_ms=len(open_) * _pace(moments), next_one=question)


def _of(person: Person) -> str:
    """Who a person is, whatever they are called; the same for the same entered name."""
    return hashlib.sha256((person.key or f"unverified {person.name.casefold()}").encode()).hexdigest()


def _pace(moments: Sequence[int]) -> int:
    pauses = [b - a for a, b in itertools.pairwise(moments) if b - a < LONGEST_PAUSE_MS]
    return round(median(pauses)) if len(pauses) > 2 else PACE_MS


def _batch(connection: Connection, begun_ms: int, before: Collection[Asked]) -> list[Asked]:
    """Questions in an order that shows nothing: by hash. Half are of answers that didn't pass, as far as there are."""
    found = labels.candidates(
        connection, from_ms=begun_ms - LATELY_DAYS * DAY_MS, until_ms=begun_ms, limit=MOST_CANDIDATES
    )
    ordered = sorted(found, key=lambda item: _mark(item[0], item[1]))
    passed = [(run, at) for run, at, outcome in ordered if outcome == "passed"]
    others = [(run, at) for run, at, outcome in ordered if outcome != "passed"]
    seen: set[str] = set()
    questions: list[Asked] = []
    for run_id, position in (item for pair in itertools.zip_longest(passed, others) for item in pair if item):
        if len(questions) >= BATCH:
            break
        kept = labels.kept(connection, run_id, position)
        outcome = None if kept is None else bodies.from_json(kept.body)
        if kept is None or outcome is None or outcome.answer is None:
            continue
        mark = f"{outcome.case_id} {json.dumps(outcome.answer.output, sort_keys=True, default=str)}"
        asked = [(run_id, position, c.id) for c in _case(connection, kept, outcome).criteria]
        if mark not in seen:  # the same answer of another run says nothing more
            seen.add(mark)
            questions += [item for item in asked if item not in before]
    return sorted(questions[:BATCH], key=lambda item: _mark(item[0], item[1]))


def _mark(run_id: str, position: int) -> str:
    return hashlib.sha256(f"{run_id}:{position}".encode()).hexdigest()


def _case(connection: Connection, kept: Kept, outcome: Outcome) -> GoldenCase:
    body = replays.golden_body(connection, kept.golden_sha256)
    raw = next(case for case in json.loads(body or "{}")["cases"] if case["id"] == outcome.case_id)
    return golden.case_of(raw)


def _question(connection: Connection, run_id: str, position: int, criterion: str) -> Question | None:
    kept = labels.kept(connection, run_id, position)
    outcome = None if kept is None else bodies.from_json(kept.body)
    if kept is None or outcome is None or outcome.answer is None:
        return None
    case = _case(connection, kept, outcome)
    calls = [{"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in outcome.answer.tool_calls]
    return Question(
        run_id=run_id, position=position, case=case,
        criterion=next(c for c in case.criteria if c.id == criterion),
        asked=with_texts({"input": dict(case.input), "context": dict(case.context)}, scrub),
        output=with_texts(outcome.answer.output, scrub), tool_calls=tuple(with_texts(calls, scrub)),
    )  # fmt: skip


def say(store: Store, question: Question, word: str, *, by: Person, now_ms: int) -> None:
    """Keep a person's word on a question. Raises Forbidden, WrongRun for another word."""
    access.require(by, "label")
    if word not in WORDS:
        raise WrongRun(f"A label is one of: {', '.join(WORDS)}.")
    label = Label(
        run_id=question.run_id, position=question.position, criterion=question.criterion.id, person=_of(by),
        by=str(by)[:140], label=word, at_ms=now_ms,
    )  # fmt: skip
    with store.write() as connection:
        labels.put(connection, label)


def undo(store: Store, begun_ms: int, *, by: Person) -> bool:
    """Take back this person's newest word of the batch; False where there is none. Raises Forbidden."""
    access.require(by, "label")
    with store.write() as connection:
        return labels.take_back_newest(connection, _of(by), begun_ms) is not None


def labelled(store: Store) -> Labelled:
    """What all labels came to so far."""
    with store.read() as connection:
        words, names = labels.everything(connection), labels.people(connection)
        by_question = _by_question(words)
        pairs: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for (run_id, position, criterion), said in by_question.items():
            kept = labels.kept(connection, run_id, position)
            judge = None if kept is None else _judge_s(kept, criterion)
            if kept is not None and judge is not None:
                pairs[f"{json.loads(kept.options)['judge']} ({kept.judge_sha256[:12]})"] += [
                    (human, judge) for human in said.values()
                ]
    votes = [[float(value) for value in said.values()] for said in by_question.values()]
    return Labelled(
        judges={sha256: agreement.kappa(found) for sha256, found in pairs.items()},
        alpha=agreement.alpha(votes),
        people=names,
        shared=sum(len(vote) > 1 for vote in votes),
        unknown=sum(word.label == "unknown" for word in words),
    )


def _by_question(words: Sequence[Label]) -> Mapping[tuple[str, int, str], Mapping[str, bool]]:
    """By question and person, whether it passes; who can't tell says nothing."""
    found: dict[tuple[str, int, str], dict[str, bool]] = defaultdict(dict)
    for word in words:
        if word.label != "unknown":
            found[word.run_id, word.position, word.criterion][word.person] = word.label == "pass"
    return found


def _judge_s(kept: Kept, criterion: str) -> bool | None:
    judged = bodies.from_json(kept.body).judged
    return next((c.passed for c in judged.criteria if c.id == criterion), None) if judged is not None else None


def calibration(store: Store) -> tuple[dict[str, Any], int]:
    """The labels as a calibration file, and how many questions are left out, as people are split on them."""
    with store.read() as connection:
        found: dict[tuple[str, int], dict[str, bool]] = defaultdict(dict)
        split = 0
        for (run_id, position, criterion), said in _by_question(labels.everything(connection)).items():
            passes = sum(said.values())
            if 2 * passes == len(said):
                split += 1
            else:
                found[run_id, position][criterion] = 2 * passes > len(said)
        answers = [item for key, own in found.items() if (item := _sealed(connection, *key, own)) is not None]
    return {"description": "Answers of past runs, labelled by people on the page Replay harness.",
            "answers": answers}, split  # fmt: skip


def _sealed(connection: Connection, run_id: str, position: int, own: Mapping[str, bool]) -> dict[str, Any] | None:
    kept = labels.kept(connection, run_id, position)
    outcome = None if kept is None else bodies.from_json(kept.body)
    if kept is None or outcome is None or outcome.answer is None:
        return None
    body = replays.golden_body(connection, kept.golden_sha256)
    raw = next(case for case in json.loads(body or "{}")["cases"] if case["id"] == outcome.case_id)
    criteria = [criterion for criterion in raw["criteria"] if criterion["id"] in own]
    calls = [{"tool": c.tool, "arguments": dict(c.arguments), "status": c.status} for c in outcome.answer.tool_calls]
    case = raw | {"expectations": [], "criteria": criteria}  # the model's own word is tested, not the checks
    return {"case": with_texts(case, scrub), "labels": dict(own),
            "answer": with_texts({"output": outcome.answer.output, "tool_calls": calls}, scrub)}  # fmt: skip
