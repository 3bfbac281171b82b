"""Every sentence that the PTO can meet on the way to strict: short, and without words that only engineers know."""

import re
from collections.abc import Iterator

import pytest

from services.checklist import steps
from services.dependencies.registry import BREAKS
from services.report.document import LIMITS, RISKS
from services.verdict import rules, words

LONGEST = 26  # words in a sentence; look.md asks for less than 20 in what is said of a state
JARGON = re.compile(
    r"\b(p95|p99|SDK|API|ACL|TTL|JSON|TLS|HTTP|hash|fingerprint|payload|endpoint|daemon|idempotent|latency|regex|stdout|"
    r"boolean|null|nonce|handshake|upsert|schema|env vars?|repo|CLI)\b",
    re.IGNORECASE,
)


def told() -> Iterator[tuple[str, str]]:
    for step in steps.load():
        for text in (step.title, step.why, *step.how, step.if_not, step.confirm_words):
            yield f"step {step.id}", text
    for check in (*words.KNOWN, "redis.required", "queue:email", "dependency:crm"):
        for text in (words.title(check), words.false(check), words.needs(check)):
            yield f"check {check}", text
    for check in ("replay.gate", "soak", "redis.ping"):
        yield f"again {check}", words.again(check)
    for rule in rules.RULES:
        yield f"rule {rule.id}", rule.title
        yield f"rule {rule.id}", rule.fix
    for text in (*LIMITS, *RISKS, *BREAKS.values()):
        yield "report or soak", text


@pytest.mark.parametrize(("where", "text"), [(where, text) for where, text in told() if text])
def test_a_sentence_is_short_and_in_plain_words(where: str, text: str) -> None:
    for sentence in re.split(r"(?<=[.:;!?])\s", text):
        assert len(sentence.split()) <= LONGEST, (where, sentence)
    assert JARGON.search(text) is None, (where, text)
    assert "please" not in text.lower()
    assert "!" not in text
