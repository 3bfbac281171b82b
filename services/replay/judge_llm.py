"""A model as judge: chat completions or Anthropic messages over HTTP. Its word counts only in the schema's form.

The agent's text is fenced by a random mark, so that it can't pose as an instruction; the answer is validated, one try
is given to repair it, and what is still wrong is *unscored*, never a pass. Nothing is cached.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import httpx
import jsonschema_rs

from services.advice import Advice
from services.errors import Problem, SettingsError
from services.outside import NotJson, parse_json
from services.paths import ROOT
from services.redact import removing, scrub, with_texts
from services.replay import calibration
from services.replay.expectations import Checked, check_all
from services.replay.golden import FOLDER
from services.replay.model import Answer, CriterionScore, GoldenCase, Judged, ToolCall
from services.replay.panel import Panel
from services.replay.rubric import by_checks
from services.replay.sealed import SealedWord

if TYPE_CHECKING:
    from services.settings.model import JudgeTable, Settings

PROMPT = FOLDER / "judge_prompt.md"
SCHEMA = FOLDER / "judge_output.schema.json"
CALIBRATION = FOLDER / "judge_calibration.json"
FILES = (PROMPT, SCHEMA, CALIBRATION)
MAX_ANSWER_CHARS = 20_000
MAX_REPLY_BYTES = 1 << 20
TRIES = 2  # the first, and one to repair
TRANSPORT_TRIES = 3
OPTIONAL = ("temperature", "max_tokens", "max_completion_tokens")  # parameters that some models refuse
REFUSALS = ("unsupported", "not support", "does not", "deprecated", "unknown", "extra", "unrecognized", "not permitted",
            "not allowed", "unexpected")  # fmt: skip
SAID_UNDER = ("error", "errors", "message", "msg", "detail", "details", "loc", "title", "reason")
MOST_TOKENS = 100_000_000  # of one reply; a larger number is no count


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
    name: str = ""  # tells judges of one panel from each other


@dataclass(slots=True)
class LlmJudge:
    """Scores answers by asking a model."""

    endpoint: Endpoint
    prompt: str
    schema: Mapping[str, Any]
    calibration: Sequence[Mapping[str, Any]]
    name: str = "llm"
    _used: dict[str, int] = field(default_factory=lambda: {"input_tokens": 0, "output_tokens": 0, "calls": 0})
    _left_out: set[str] = field(default_factory=set)
    _client: httpx.AsyncClient | None = None
    _validator: Any = None

    @property
    def _remove(self) -> Callable[[str], str]:
        return removing((self.endpoint.key,) if self.endpoint.key else ())

    @property
    def at_once(self) -> int:
        """How many answers it scores side by side."""
        return self.endpoint.at_once

    @property
    def label(self) -> str:
        """What it is called beside others."""
        return self.endpoint.name or self.endpoint.model

    @property
    def sha256(self) -> str:
        """Hash of prompt, schema, model and sealed labels: of all that its word depends on."""
        parts = [self.prompt, json.dumps(self.schema, sort_keys=True), self.endpoint.model, self.endpoint.wire]
        parts.append(json.dumps(list(self.calibration), sort_keys=True))
        parts += [self.endpoint.name] if self.endpoint.name else []
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    async def judge(self, case: GoldenCase, answer: Answer) -> Judged:
        """Score one answer; unscored with the reason where the model can't be reached or doesn't say it properly."""
        checked = check_all(case, answer)
        said = _said(answer)
        if len(said) > MAX_ANSWER_CHARS:
            return Judged(
                unscored=f"the answer has {len(said):,} characters, and the judge may read {MAX_ANSWER_CHARS:,}"
            )
        messages = [{"role": "user", "content": self._question(case, said, checked)}]
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

    def _question(self, case: GoldenCase, said: str, checked: Sequence[Checked]) -> str:
        mark = secrets.token_hex(12)
        rubric = [
            {"id": c.id, "title": c.title, "critical": c.critical, "anchors": dict(c.anchors)} for c in case.criteria
        ]
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
        for attempt in range(1, TRANSPORT_TRIES + len(OPTIONAL) + 1):
            try:
                return self._heard(await self._post(body, headers))
            except _NoReply as error:
                if error.refused in OPTIONAL and error.refused not in self._left_out:
                    self._left_out.add(error.refused)
                    body, headers = self._request(messages)
                    continue
                if not error.again or attempt == TRANSPORT_TRIES:
                    raise
        raise _NoReply("no try was made", again=False)

    async def _post(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """One exchange under one deadline, however slowly it drips; nothing is unpacked."""
        assert self._client is not None  # noqa: S101 - made by the caller
        data = b""
        asked = {"accept-encoding": "identity"} | dict(headers)
        try:
            async with asyncio.timeout(self.endpoint.timeout_s):
                async with self._client.stream("POST", self.endpoint.url, json=body, headers=asked) as reply:
                    async for chunk in reply.aiter_raw():
                        data += chunk
                        if len(data) > MAX_REPLY_BYTES:
                            raise _NoReply("it is larger than 1 MiB", again=False)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _NoReply(f"none within {self.endpoint.timeout_s:g} s", again=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _NoReply(f"it can't be reached ({type(error).__name__})", again=True) from error
        if reply.headers.get("content-encoding", "identity").lower() not in {"", "identity"}:
            raise _NoReply("it is compressed although asked not to be", again=False)
        try:
            found = with_texts(parse_json(data), self._remove)
        except NotJson as error:
            if reply.status_code == 200:
                raise _NoReply(str(error), again=False) from error
            found = None if data.lstrip().startswith(b"<") else self._remove(data[:4000].decode("utf-8", "replace"))
        if reply.status_code != 200:
            again = reply.status_code == 429 or reply.status_code >= 500
            raise _NoReply(f"HTTP status {reply.status_code}{_said_why(found)}", again=again, refused=_refused(found))
        return found

    def _request(self, messages: Sequence[Mapping[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
        end, key = self.endpoint, self.endpoint.key
        body: dict[str, Any] = {"model": end.model}
        if "temperature" not in self._left_out:
            body["temperature"] = 0
        if end.wire == "anthropic":
            headers = {"anthropic-version": "2023-06-01"} | ({"x-api-key": key} if key else {})
            return body | {"max_tokens": end.max_tokens, "system": self.prompt, "messages": list(messages)}, headers
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # Newer models of one provider know the limit under another name only.
        limit = "max_completion_tokens" if "max_tokens" in self._left_out else "max_tokens"
        if "max_completion_tokens" not in self._left_out:
            body[limit] = end.max_tokens
        return body | {"messages": [{"role": "system", "content": self.prompt}, *messages]}, headers

    def _heard(self, reply: Any) -> str:
        """The text in a reply, and what it cost."""
        if not isinstance(reply, dict):
            raise _NoReply("its form is not that of the wire format", again=False)
        usage = reply.get("usage")
        said: dict[str, Any] = usage if isinstance(usage, dict) else {}
        for ours, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            found = said.get(ours, said.get(theirs, 0))
            counts = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < MOST_TOKENS
            self._used[ours] += found if counts else 0
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
            said = parse_json(text[start : end + 1], unique_keys=True) if start >= 0 else None
            found: Any = with_texts(said, self._remove)  # once more: JSON within JSON may write the key in escapes
        except NotJson:
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

    async def sealed(self) -> tuple[SealedWord, ...]:
        """Judge the sealed, labelled answers again; as many side by side as it may."""
        room = asyncio.Semaphore(self.at_once)

        async def one(number: int, item: Mapping[str, Any]) -> list[SealedWord]:
            case, answer = _calibration_case(item)
            async with room:
                judged = await self.judge(case, answer)
            seen = {c.id: c for c in judged.criteria}
            return [
                SealedWord(
                    judge=self.label, judge_sha256=self.sha256, answer=f"{number} {case.id}"[:80], criterion=name,
                    label=label, passed=seen[name].passed if name in seen else None,
                    score=seen[name].score if name in seen else None,
                )
                for name, label in item["labels"].items()
            ]  # fmt: skip

        found = await asyncio.gather(*(one(number, item) for number, item in enumerate(self.calibration, 1)))
        return tuple(word for words in found for word in words)

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
    def __init__(self, why: str, *, again: bool, refused: str = "") -> None:
        self.again, self.refused = again, refused
        super().__init__(scrub(why))


def _with_checks(
    scores: Mapping[str, tuple[float, str]], case: GoldenCase, checked: Sequence[Checked]
) -> tuple[CriterionScore, ...]:
    """The model's scores, under the facts: what a deterministic check saw missing, no model can talk away.

    A check that failed caps its criterion, critical or not; the model may score lower, never higher.
    """
    found = []
    for criterion in case.criteria:
        score, reason = scores[criterion.id]
        own = [item for item in checked if item.criterion == criterion.id]
        missed = [item.why for item in own if not item.met]
        cap, holds = by_checks(criterion, own)
        if missed and cap is not None:
            score = min(score, cap)
            reason = f"{'; '.join(missed)}. The judge said: {reason}"
        passed = score >= criterion.pass_at and holds is not False
        found.append(
            CriterionScore(id=criterion.id, score=score, reason=reason, critical=criterion.critical, passed=passed)
        )
    return tuple(found)


def _said(answer: Answer) -> str:
    """The whole answer as the judge reads it."""
    calls = [[c.tool, dict(c.arguments), c.status] for c in answer.tool_calls]
    return json.dumps({"output": answer.output, "tool_calls": calls}, ensure_ascii=False)


def _message(found: Any) -> str:
    """What an endpoint's error body says, whatever its form: OpenAI nests `error.message`, FastAPI lists `detail`,
    Mistral and Bedrock say `message` at the top, Gemini puts all into a list."""
    return " ".join(_texts(found, 0))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if depth > 6:
        return
    if isinstance(value, str):
        yield value
    for inner in value[:20] if isinstance(value, list) else ():
        yield from _texts(inner, depth + 1)
    for name in SAID_UNDER if isinstance(value, dict) else ():
        if name in value:
            yield from _texts(value[name], depth + 1)


def _said_why(found: Any) -> str:
    message = " ".join(scrub(_message(found)).split())[:200]
    return f": {message}" if message else ""


def _refused(found: Any) -> str:
    """The parameter of ours that the endpoint refuses, where its error names one."""
    error = found.get("error") if isinstance(found, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    if isinstance(param, str) and param in OPTIONAL:
        return param
    text = _message(found).lower()
    refuses = any(word in text for word in REFUSALS)
    named = [name for name in OPTIONAL if f"{name}" in text]
    # The message may name what to use in its place, too: what is refused comes first.
    return min(named, key=text.index) if named and refuses else ""


def _calibration_case(item: Mapping[str, Any]) -> tuple[GoldenCase, Answer]:
    from services.replay.golden import case_of

    answer = item["answer"]
    calls = tuple(
        ToolCall(tool=c["tool"], arguments=c.get("arguments", {}), status=c.get("status", "ok"))
        for c in answer.get("tool_calls", ())
    )
    return case_of(item["case"]), Answer(output=answer["output"], tool_calls=calls)


def from_files(endpoint: Endpoint, labelled: Path | None = None) -> LlmJudge:
    """A judge with the prompt and schema in `golden/`, and these sealed labels (those of `golden/`). Raises
    SettingsError."""
    try:
        prompt, schema = PROMPT.read_text(encoding="utf-8"), json.loads(SCHEMA.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _wrong(str(FOLDER), "judge files", f"can't be read ({type(error).__name__}).") from error
    return LlmJudge(
        endpoint=endpoint, prompt=prompt, schema=schema, calibration=calibration.read(labelled or CALIBRATION)
    )


def from_settings(settings: Settings) -> LlmJudge:
    """The judge of `[replay.judge]`. Raises SettingsError where none is configured."""
    table = settings.replay.judge
    if table is None:
        raise _unset(settings, "judge", "Add [replay.judge] with url and model to greenlight.toml, or use the rubric.")
    return _of_table(table, calibration_path(settings))


def panel_from_settings(settings: Settings) -> Panel:
    """The judges of `[[replay.judges]]` as one. Raises SettingsError where none are configured."""
    tables = settings.replay.judges
    if not tables:
        raise _unset(settings, "judges", "Add two or more [[replay.judges]], each with name, url and model.")
    return Panel(tuple(_of_table(table, calibration_path(settings)) for table in tables))


def calibration_path(settings: Settings) -> Path:
    """The configured sealed labels."""
    named = settings.replay.calibration
    if named is None:
        return CALIBRATION
    return Path(settings.source).parent / named if settings.keys_file else ROOT / named


def _unset(settings: Settings, key: str, fix: str) -> SettingsError:
    advice = Advice(what="is not set.", fix=fix)
    return SettingsError((Problem(source=settings.source, key=f"replay.{key}", advice=advice),))


def _of_table(table: JudgeTable, labelled: Path) -> LlmJudge:
    import os

    return from_files(
        Endpoint(
            url=table.url,
            model=table.model,
            wire=table.wire,
            key=os.environ.get(table.key_variable) or None,
            timeout_s=table.timeout_s,
            at_once=table.concurrency,
            max_tokens=table.max_tokens,
            token_budget=table.token_budget,
            price_in=table.price_in,
            price_out=table.price_out,
            name=table.name,
        ),
        labelled,
    )


def _wrong(source: str, key: str, message: str) -> SettingsError:
    return SettingsError(
        (Problem(source=source, key=key, advice=Advice(what=message, fix="Bring the files back from the repository.")),)
    )
