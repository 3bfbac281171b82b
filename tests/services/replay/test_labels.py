"""People label answers blind, in a real store: in turn, by name, to be undone; what it comes to, and as a file."""

import asyncio
import json
from pathlib import Path

import pytest

from services import clock
from services.access import Forbidden, Person
from services.replay import bodies, calibration, labels, runs
from services.replay.labels import Question
from services.store import Store, replays
from tests.services.replay.test_runs import Scripted, begin, make_set, runner

ADA = Person(name="Ada", role="operator", verified=True, key="i#ada")
BO = Person(name="Bo", role="operator", verified=True, key="i#bo")
LATER = 60_000


def judged(store: Store, folder: Path, wrong: tuple[str, ...] = ("c1", "c2", "c3")) -> str:
    begun = begin(store, make_set(folder))
    asyncio.run(runner(store, begun, Scripted(wrong=wrong)).work())
    return runs.conclude(store, begun.run)[0].id


def ask(store: Store, by: Person, begun_ms: int) -> Question:
    question = labels.queue(store, begun_ms, by).next_one
    assert question is not None
    return question


def truth(question: Question) -> str:
    return "pass" if question.output == "done" else "fail"


def label_all(store: Store, by: Person, begun_ms: int, word: str = "") -> int:
    number = 0
    while (question := labels.queue(store, begun_ms, by).next_one) is not None:
        number += 1
        labels.say(store, question, word or truth(question), by=by, now_ms=begun_ms + 10_000 * number)
    return number


def test_a_batch_is_walked_through_with_progress_and_undo(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    judged(store, tmp_path, wrong=("c1", "c2", "c3", "c4"))
    begun = clock.now_ms() + LATER
    first = labels.queue(store, begun, ADA)
    assert (first.total, first.done) == (20, 0)
    assert first.left_ms == 20 * labels.PACE_MS
    question = ask(store, ADA, begun)
    labels.say(store, question, "pass", by=ADA, now_ms=begun + 5)
    assert labels.queue(store, begun, ADA).done == 1
    assert labels.queue(store, begun, BO).done == 0
    assert labels.undo(store, begun, by=ADA)
    assert ask(store, ADA, begun) == question
    assert not labels.undo(store, begun, by=ADA)


def test_the_same_answer_to_the_same_case_is_asked_once(store: Store, tmp_path: Path) -> None:
    for _ in range(3):
        judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    asked = label_all(store, ADA, begun)
    begun += 10_000_000
    assert asked + label_all(store, ADA, begun) < 40
    assert labels.queue(store, begun + 10_000_000, ADA).total == 0, "20 cases, each answered alike in each run"


def test_the_question_shows_no_agent_run_or_verdict(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    question = ask(store, ADA, clock.now_ms() + LATER)
    shown = json.dumps([question.asked, question.output, question.tool_calls, question.case.title])
    for hidden in (question.run_id, "scripted", "passed", "failed", "score"):
        assert hidden not in shown


def test_secrets_in_an_answer_are_not_shown(store: Store, tmp_path: Path) -> None:
    run_id = judged(store, tmp_path, wrong=())
    with store.write() as connection:
        for position, body in replays.bodies(connection, run_id):
            text = body.replace('"done"', '"done with password=hunter2-planted"', 1)
            found = bodies.from_json(text)
            done = replays.Finished(position=position, outcome=found.state, body=text)
            run = replays.get(connection, run_id)
            assert run is not None
            replays.rescored(connection, run_id, [done], run.judge_sha256, run.verdict, run.summary)
    begun = clock.now_ms() + LATER
    question = ask(store, ADA, begun)
    assert "hunter2" not in str(question)
    label_all(store, ADA, begun)
    assert "hunter2" not in json.dumps(labels.calibration(store)[0])


def test_two_people_who_begin_together_get_the_same_answers(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    assert ask(store, ADA, begun) == ask(store, BO, begun)


def test_what_was_labelled_is_not_asked_again(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    number = label_all(store, ADA, begun)
    assert labels.queue(store, begun, ADA).next_one is None
    again = labels.queue(store, begun + 10_000_000, ADA)
    assert (again.total, again.next_one) == (0, None)
    assert label_all(store, BO, begun) == number


def test_people_and_judge_are_compared(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    label_all(store, ADA, begun)
    found = labels.labelled(store)
    (kappa,) = found.judges.values()
    assert kappa.value == 1
    assert (found.alpha, found.shared) == (None, 0), "one person agrees with nobody"
    label_all(store, BO, begun, word="unknown")
    assert labels.labelled(store).shared == 0
    assert labels.labelled(store).unknown > 0
    assert set(found.people) == {"Ada"}


def test_two_people_of_one_name_are_two(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun, other = clock.now_ms() + LATER, Person(name="Ada", role="operator", verified=True, key="i#another")
    label_all(store, ADA, begun)
    assert labels.queue(store, begun, other).done == 0
    label_all(store, other, begun)
    found = labels.labelled(store)
    assert set(found.people) == {"Ada", "Ada #2"}
    assert (found.alpha, found.shared) == (1, 20)


def test_labels_become_a_calibration_file_without_what_people_are_split_on(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    number = label_all(store, ADA, begun)
    question = ask(store, BO, begun)
    labels.say(store, question, "fail" if truth(question) == "pass" else "pass", by=BO, now_ms=begun + 1)
    document, split = labels.calibration(store)
    assert split == 1
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(document))
    found = calibration.read(path)
    assert len(found) == number - 1
    assert all(item["labels"] == {"done": item["answer"]["output"] == "done"} for item in found)


def test_only_an_operator_labels_and_only_with_the_three_words(store: Store, tmp_path: Path) -> None:
    judged(store, tmp_path)
    begun = clock.now_ms() + LATER
    question = ask(store, ADA, begun)
    with pytest.raises(Forbidden):
        labels.say(store, question, "pass", by=Person(name="V", role="viewer"), now_ms=begun)
    with pytest.raises(runs.WrongRun):
        labels.say(store, question, "great", by=ADA, now_ms=begun)
    assert labels.queue(store, begun, ADA).done == 0


def test_nothing_to_label_is_an_empty_batch(store: Store) -> None:
    found = labels.queue(store, clock.now_ms(), ADA)
    assert (found.total, found.done, found.left_ms, found.next_one) == (0, 0, 0, None)
