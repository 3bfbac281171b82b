"""Lines and spans of other people: the conventions old and new, secrets, content, wrong types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.traces import otlp
from services.traces.cleaning import Cleaner
from services.traces.conventions import CONTENT, FIELDS
from services.traces.lines import WrongLine, spans_of
from services.traces.model import Span
from services.traces.view import waterfall

SECRET = "sk-proj-" + "a1B2" * 10
IDS = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174"}


def attribute(name: str, value: Any) -> dict[str, Any]:
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(value)]
    return {"key": name, "value": {kind: str(value) if kind == "intValue" else value}}


def span(*attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**IDS, "name": "chat gpt", "startTimeUnixNano": "1796126400000000000", "endTimeUnixNano": "1796126400250000000",
            "attributes": list(attributes), "status": {}, **more}  # fmt: skip


def request(*spans: dict[str, Any], resource: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {"attributes": list(resource)}, "scopeSpans": [{"spans": list(spans)}]}]}


def read(*attributes: dict[str, Any], content: bool = False, **more: Any) -> Span:
    (found,) = spans_of(json.dumps(request(span(*attributes, **more))).encode(), Cleaner(content=content))
    return found


def test_a_span_of_the_present_conventions() -> None:
    found = spans_of(json.dumps(request(
        span(attribute("gen_ai.operation.name", "chat"), attribute("gen_ai.provider.name", "openai"),
             attribute("gen_ai.request.model", "gpt-5"), attribute("gen_ai.response.model", "gpt-5-2026"),
             attribute("gen_ai.usage.input_tokens", 120), attribute("gen_ai.usage.output_tokens", 30)),
        resource=(attribute("service.name", "swarm"), attribute("service.version", "v7"),
                  attribute("deployment.environment.name", "prod")),
    )).encode(), Cleaner())[0]  # fmt: skip
    assert (found.kind, found.model, found.provider, found.input_tokens, found.output_tokens) == (
        "model", "gpt-5-2026", "openai", 120, 30)  # fmt: skip
    assert (found.service, found.version, found.environment) == ("swarm", "v7", "prod")
    assert found.trace_id == IDS["traceId"].lower()
    assert (found.start_ms, found.duration_ms, found.status) == (1796126400000, 250.0, "ok")


@pytest.mark.parametrize(("attributes", "field", "value"), [
    ({"gen_ai.system": "az"}, "provider", "az"), ({"gen_ai.system": "az", "gen_ai.provider.name": "x"}, "provider", "x"),
    ({"gen_ai.usage.prompt_tokens": 5}, "input_tokens", 5), ({"llm.token_count.prompt": 7}, "input_tokens", 7),
    ({"ai.usage.completionTokens": 9}, "output_tokens", 9), ({"llm.model_name": "m"}, "model", "m"),
    ({"gen_ai.tool.name": "pay"}, "tool", "pay"), ({"gen_ai.tool.name": "pay"}, "kind", "tool"),
    ({"ai.operationId": "ai.generateText.doGenerate"}, "kind", "model"), ({"openinference.span.kind": "AGENT"}, "kind", "agent"),
    ({"error.type": "timeout"}, "status", "error"), ({"inngest.run.id": "r1"}, "run_id", "r1"),
    ({"gen_ai.usage.input_tokens": -3}, "input_tokens", None), ({"gen_ai.usage.cost": 0.25}, "cost_usd", 0.25),
])  # fmt: skip
def test_older_and_other_names_mean_the_same(attributes: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(read(*(attribute(name, each) for name, each in attributes.items())), field) == value


def test_a_span_a_line_as_a_console_exporter_writes_it() -> None:
    raw = {"name": "call", "context": {"trace_id": "0x5b8efff798038103d269b633813fc60c", "span_id": "0xeee19b7ec3c1b174"},
           "parent_id": None, "start_time": "2026-12-01T12:00:00.000000Z", "end_time": "2026-12-01T12:00:01.500000Z",
           "status": {"status_code": "ERROR"}, "attributes": {"gen_ai.tool.name": "pay"}}  # fmt: skip
    (found,) = spans_of(json.dumps(raw).encode(), Cleaner())
    assert (found.tool, found.status, found.duration_ms) == ("pay", "error", 1500.0)


@pytest.mark.parametrize(("more", "why"), [
    ({"traceId": "0" * 32}, "no span that can be used"), ({"spanId": "xyz"}, "no span that can be used"),
    ({"startTimeUnixNano": "soon"}, "no span that can be used"), ({"startTimeUnixNano": "17"}, "no span that can be used"),
])  # fmt: skip
def test_a_span_without_ids_or_time_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(WrongLine, match=why):
        spans_of(json.dumps(request(span(**more))).encode(), Cleaner())


@pytest.mark.parametrize("name", CONTENT)
def test_what_was_said_is_kept_as_size_and_hash_alone_unless_asked_for(name: str) -> None:
    plain = read(attribute(name, "Where is my order?"))
    assert "order" not in str(plain)
    assert plain.content_bytes == 18
    assert json.loads(plain.attributes)[f"{name}.bytes"] == 18
    kept = read(attribute(name, f"Where is my order? {SECRET}"), content=True)
    assert "Where is my order?" in kept.content
    assert SECRET not in str(kept)


def test_no_secret_reaches_what_is_kept_wherever_it_stands() -> None:
    nested = {
        "key": "deep",
        "value": {"kvlistValue": {"values": [attribute("password", "hunter2hunter2"), attribute("x", SECRET)]}},
    }
    listed = {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": f"Bearer {SECRET}"}]}}}
    found = spans_of(json.dumps(request(
        span(attribute("api_key", "abcdef123456"), attribute(SECRET, "x"), attribute("url", f"https://u:{SECRET}@h/"),
             attribute("gen_ai.tool.name", SECRET), attribute("error.type", SECRET), nested, listed,
             name=f"call {SECRET}", status={"code": 2, "message": SECRET}),
        resource=(attribute("service.name", SECRET), attribute("deployment.environment.name", SECRET)),
    )).encode(), Cleaner(content=True, secrets=("planted-in-env-4711",)))  # fmt: skip
    envelope = {"at": "2026-12-01T12:00:00Z", "trace_id": SECRET, "span_id": "planted-in-env-4711", "tool": SECRET,
                "action": SECRET, "status": SECRET, "run_id": SECRET, "step": SECRET, "correlation_id": SECRET,
                "environment": SECRET, "attributes": {"token": "abcdef123456", "n": SECRET}}  # fmt: skip
    found += spans_of(json.dumps(envelope).encode(), Cleaner(secrets=("planted-in-env-4711",)))
    text = str(found)
    for planted in (SECRET, "hunter2hunter2", "abcdef123456", "planted-in-env"):
        assert planted not in text, planted


JSON = st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=6),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "key", "value",
                         "tool", "at", "trace_id", "span_id", "status", "context", "startTimeUnixNano"]), inner, max_size=5),
                    max_leaves=15)  # fmt: skip


@given(JSON)
def test_no_json_ends_the_reading(value: Any) -> None:
    try:
        spans_of(json.dumps(value).encode(), Cleaner())
    except WrongLine as error:
        assert str(error)


@given(st.binary(max_size=100))
def test_no_bytes_end_the_reading(data: bytes) -> None:
    with pytest.raises(WrongLine):
        spans_of(b"\x00" + data, Cleaner())


def test_every_field_of_the_table_is_one_of_a_span() -> None:
    assert set(FIELDS) <= set(Span.__dataclass_fields__)


def test_one_request_in_two_spellings_is_the_same() -> None:
    camel = list(otlp.spans(request(span()), Cleaner()))
    snake = {"resource_spans": [{"scope_spans": [{"spans": [
        {"trace_id": IDS["traceId"], "span_id": IDS["spanId"], "name": "chat gpt", "attributes": [],
         "start_time_unix_nano": 1796126400000000000, "end_time_unix_nano": 1796126400250000000}]}]}]}  # fmt: skip
    assert list(otlp.spans(snake, Cleaner())) == camel


def made(id_: str, start: int, took: float, parent: str = "", **more: Any) -> Span:
    return Span(trace_id="t", span_id=id_, parent_id=parent, start_ms=start, duration_ms=took, **more)


def test_a_waterfall_shows_each_span_below_its_parent_and_counts_tries() -> None:
    bars = waterfall((
        made("a", 0, 100), made("b", 10, 20, "a", step="s", input_sha256="h"), made("d", 5, 5, "lost"),
        made("c", 40, 50, "a", step="s", input_sha256="h"), made("e", 12, 5, "b"),
    ))  # fmt: skip
    assert [(bar.span.span_id, bar.depth) for bar in bars] == [("a", 0), ("b", 1), ("e", 2), ("c", 1), ("d", 0)]
    assert [bar.tries for bar in bars] == [1, 2, 1, 2, 1]
    assert (bars[1].start, bars[1].width) == (0.1, 0.2)


def test_spans_that_are_each_other_s_parents_are_shown_all_the_same() -> None:
    bars = waterfall((made("a", 0, 1, "b"), made("b", 1, 1, "a"), made("c", 2, 1, "c")))
    assert {bar.span.span_id for bar in bars} == {"a", "b", "c"}
