"""A model as judge: chat completions or Anthropic messages over HTTP. Its word counts only in the schema's form.

The agent's text is fenced by a random mark, so that it can't pose as an instruction; the answer is validated, one try
is given to repair it, and what is still wrong is *unscored*, never a pass. Nothing is cached.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import httpx
import jsonschema_rs

from services.errors import Problem, SettingsError
from services.redact import scrub
from services.replay.expectations import Checked, check_all
from services.replay.golden import FOLDER
from services.replay.model import Answer, CriterionScore, GoldenCase, Judged, ToolCall

if TYPE_CHECKING:
    from services.settings.model import Settings

PROMPT = FOLDER / "judge_prompt.md"
SCHEMA = FOLDER / "judge_output.schema.json"
CALIBRATION = FOLDER / "judge_calibration.json"
FILES = (PROMPT, SCHEMA, CALIBRATION)
MAX_ANSWER_CHARS = 20_000
MAX_REPLY_BYTES = 1 << 20
TRIES = 2  # the first, and one to repair
TRANSPORT_TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where the model is, how it is spoken to, what it costs. Prices are per million tokens."""

    url: str
    model: str
    wire: Literal["chat", "anthropic"] = "chat"
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0
    at_once: int = 4
    max_tokens: int = 1500
    token_budget: int | None = None
    price_in: float | None = None
    price_out: float | None = None


@dataclass(slots=True)
class LlmJudge:
    """Scores answers by asking a model."""

    endpoint: Endpoint
    prompt: str
    schema: Mapping[str, Any]
    calibration: Sequence[Mapping[str, Any]]
    name: str = "llm"
    _used: dict[str, int] = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0, "calls": 0})
    _client: httpx.AsyncClient | None = None
    _validator: Any = None

    @property
    def at_once(self) -> int:
        """How many answers it scores side by side."""
        return self.endpoint.at_once

    @property
    def sha256(self) -> str:
        """Hash of prompt, schema, model and sealed labels: of all that its word depends on."""
        parts = [self.prompt, json.dumps(self.schema, sort_keys=True), self.endpoint.model, self.endpoint.wire]
        parts.append(json.dumps(list(self.calibration), sort_keys=True))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged:
        """Score one answer; unscored with the reason where the model can't be reached or doesn't say it properly."""
        checked = check_all(case, answer)
        messages = [{"role": "user", "content": self._question(case, answer, checked)}]
        trouble = "the judge was not asked"
        for _ in range(TRIES):
            if self._over_budget():
                return Judged(unscored="the token budget of this run is used up")
            try:
                text = await self._say(messages)
            except _NoReply as error:
                return Judged(unscored=f"the judge gave no answer: {error}")
            scores, trouble = self._read(text, case)
            if scores is not None:
                return Judged(criteria=_with_checks(scores, case, checked))
            messages += [
                {"role": "assistant", "content": text[:4000] or "(nothing)"},
                {"role": "user", "content": f"That is not the required JSON: {trouble}. Answer with the JSON alone."},
            ]
        return Judged(unscored=f"the judge's answer is not in the required form: {trouble}")

    def _question(self, case: GoldenCase, answer: Answer, checked: Sequence[Checked]) -> str:
        mark = secrets.token_hex(12)
        rubric = [
            {"id": c.id, "title": c.title, "critical": c.critical, "anchors": dict(c.anchors)} for c in case.criteria
        ]
        said = json.dumps(
            {"output": answer.output, "tool_calls": [[c.tool, dict(c.arguments), c.status] for c in answer.tool_calls]},
            ensure_ascii=False,
        )[:MAX_ANSWER_CHARS]
        facts = [{"criterion": c.criterion, "met": c.met, "what": c.why} for c in checked]
        return "\n".join(
            [
                "Case:", json.dumps([case.title, case.input, case.context], ensure_ascii=False),
                "Rubric:", json.dumps(rubric, ensure_ascii=False),
                "Deterministic checks:", json.dumps(facts, ensure_ascii=False),
                f"The answer to be judged stands between the two lines with the mark {mark}.",
                f"<<<{mark}", said, f"{mark}>>>",
                "Score every criterion of the rubric. Answer with the JSON object alone.",
            ]
        )  # fmt: skip

    async def _say(self, messages: Sequence[Mapping[str, str]]) -> str:
        """One exchange with the model; transport trouble is tried again."""
        self._client = self._client or httpx.AsyncClient(timeout=self.endpoint.timeout_s, follow_redirects=False)
        body, headers = self._request(messages)
        for attempt in range(1, TRANSPORT_TRIES + 1):
            try:
                return self._heard(await self._post(body, headers))
            except _NoReply as error:
                if not error.again or attempt == TRANSPORT_TRIES:
                    raise
        raise _NoReply("no try was made", again=False)

    async def _post(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        assert self._client is not None  # noqa: S101 - made by the caller
        try:
            async with self._client.stream("POST", self.endpoint.url, json=body, headers=headers) as reply:
                data = b""
                async for chunk in reply.aiter_bytes():
                    data += chunk
                    if len(data) > MAX_REPLY_BYTES:
                        raise _NoReply("it is larger than 1 MiB", again=False)
        except httpx.TimeoutException as error:
            raise _NoReply(f"none within {self.endpoint.timeout_s:g} s", again=True) from error
        except httpx.HTTPError as error:
            raise _NoReply(f"it can't be reached ({type(error).__name__})", again=True) from error
        if reply.status_code != 200:
            again = reply.status_code == 429 or reply.status_code >= 500
            raise _NoReply(f"HTTP status {reply.status_code}", again=again)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise _NoReply("it is not JSON", again=False) from error

    def _request(self, messages: Sequence[Mapping[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
        end, key = self.endpoint, self.endpoint.key
        if end.wire == "anthropic":
            headers = {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
            body: dict[str, Any] = {"model": end.model, "max_tokens": end.max_tokens, "temperature": 0}
            return body | {"system": self.prompt, "messages": list(messages)}, headers
        headers = {"authorization": f"Bearer {key}"} if key else {}
        body = {"model": end.model, "max_tokens": end.max_tokens, "temperature": 0}
        return body | {"messages": [{"role": "system", "content": self.prompt}, *messages]}, headers

    def _heard(self, reply: Any) -> str:
        """The text in a reply, and what it cost."""
        if not isinstance(reply, dict):
            raise _NoReply("its form is not that of the wire format", again=False)
        usage = reply.get("usage")
        said: dict[str, Any] = usage if isinstance(usage, dict) else {}
        for ours, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            found = said.get(ours, said.get(theirs, 0))
            self._used[ours] += found if isinstance(found, int) else 0
        self._used["calls"] += 1
        try:
            if self.endpoint.wire == "anthropic":
                return "".join(part["text"] for part in reply["content"] if part.get("type") == "text")
            return str(reply["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise _NoReply("its form is not that of the wire format", again=False) from error

    def _read(self, text: str, case: GoldenCase) -> tuple[dict[str, tuple[float, str]] | None, str]:
        """The scores by criterion, or what is wrong."""
        start, end = text.find("{"), text.rfind("}")
        try:
            found: Any = json.loads(text[start : end + 1]) if start >= 0 else None
        except (ValueError, RecursionError):
            return None, "no JSON object can be read"
        self._validator = self._validator or jsonschema_rs.validator_for(dict(self.schema))
        error = next(iter(self._validator.iter_errors(found)), None)
        if error is not None:
            return None, error.message[:200]
        ids = [item["id"] for item in found["criteria"]]
        wanted = [c.id for c in case.criteria]
        if sorted(ids) != sorted(wanted):
            return None, f"the criteria must be exactly: {', '.join(wanted)}"
        return {item["id"]: (float(item["score"]), item["reason"]) for item in found["criteria"]}, ""

    def _over_budget(self) -> bool:
        budget = self.endpoint.token_budget
        return budget is not None and self._used["input_tokens"] + self._used["output_tokens"] >= budget

    async def agreement(self) -> float | None:
        """Re-judge the sealed, labelled answers; the share of criteria whose passing it sees as the label does.

        An answer that it leaves unscored agrees with nothing.
        """
        agreed = total = 0
        for item in self.calibration:
            case, answer = _calibration_case(item)
            judged = await self.judge(case, answer)
            seen = {c.id: c.passed for c in judged.criteria}
            for name, label in item["labels"].items():
                total += 1
                agreed += seen.get(name) is label
        return agreed / total if total else None

    def usage(self) -> Mapping[str, Any]:
        """Tokens, calls, and the price where it is known."""
        found: dict[str, Any] = dict(self._used) | {"model": self.endpoint.model}
        if self.endpoint.price_in is not None and self.endpoint.price_out is not None:
            cost = (
                self._used["input_tokens"] * self.endpoint.price_in
                + self._used["output_tokens"] * self.endpoint.price_out
            )
            found["cost"] = cost / 1_000_000
        return found

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.aclose()


class _NoReply(Exception):
    def __init__(self, why: str, *, again: bool) -> None:
        self.again = again
        super().__init__(scrub(why))


def _with_checks(
    scores: Mapping[str, tuple[float, str]], case: GoldenCase, checked: Sequence[Checked]
) -> tuple[CriterionScore, ...]:
    """The model's scores, under the facts: what a deterministic check saw missing, no model can talk away."""
    found = []
    for criterion in case.criteria:
        score, reason = scores[criterion.id]
        missed = [item.why for item in checked if item.criterion == criterion.id and not item.met]
        passed = score >= criterion.pass_at and not (criterion.critical and missed)
        if missed and criterion.critical:
            reason = f"{'; '.join(missed)}. The judge said: {reason}"
        found.append(
            CriterionScore(id=criterion.id, score=score, reason=reason, critical=criterion.critical, passed=passed)
        )
    return tuple(found)


def _calibration_case(item: Mapping[str, Any]) -> tuple[GoldenCase, Answer]:
    from services.replay.golden import case_of

    answer = item["answer"]
    calls = tuple(
        ToolCall(tool=c["tool"], arguments=c.get("arguments", {}), status=c.get("status", "ok"))
        for c in answer.get("tool_calls", ())
    )
    return case_of(item["case"]), Answer(output=answer["output"], tool_calls=calls)


def from_files(endpoint: Endpoint) -> LlmJudge:
    """A judge with the prompt, schema and sealed labels in `golden/`. Raises SettingsError."""
    try:
        return LlmJudge(
            endpoint=endpoint,
            prompt=PROMPT.read_text(encoding="utf-8"),
            schema=json.loads(SCHEMA.read_text(encoding="utf-8")),
            calibration=json.loads(CALIBRATION.read_text(encoding="utf-8"))["answers"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise _wrong(str(FOLDER), "judge files", f"can't be read ({type(error).__name__}).") from error


def from_settings(settings: Settings) -> LlmJudge:
    """The judge of `[replay.judge]`. Raises SettingsError where none is configured."""
    import os

    table = settings.replay.judge
    if table is None:
        fix = "Add [replay.judge] with url and model to greenlight.toml, or use --judge rubric."
        raise SettingsError((Problem(source=settings.source, key="replay.judge", message="is not set.", fix=fix),))
    key = os.environ.get(table.key_variable) or None
    return from_files(
        Endpoint(
            url=table.url,
            model=table.model,
            wire=table.wire,
            key=key,
            timeout_s=table.timeout_s,
            at_once=table.concurrency,
            max_tokens=table.max_tokens,
            token_budget=table.token_budget,
            price_in=table.price_in,
            price_out=table.price_out,
        )
    )


def _wrong(source: str, key: str, message: str) -> SettingsError:
    return SettingsError(
        (Problem(source=source, key=key, message=message, fix="Bring the files back from the repository."),)
    )
