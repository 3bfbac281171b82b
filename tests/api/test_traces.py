"""`POST /v1/traces`: the real exporter of OpenTelemetry, and every wrong call with the standard's answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

from services.traces.query import Traces, Wanted
from tests.patience import PATIENCE_S
from tests.portal import TOKEN, running
from tests.services.traces.test_lines import SECRET, attribute, request, span

AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
ALL = Wanted(from_ms=0, until_ms=4_000_000_000_000, equal={})
JSON, PROTOBUF = "application/json", "application/x-protobuf"


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    data = Path(tmp_path_factory.mktemp("portal"))
    (data / "greenlight.toml").write_text(
        '[access]\ntokens=[{name="v", variable="VIEWER_TOKEN", role="viewer"}]\n'
        '[[environments]]\nname="e"\nbase_url="http://127.0.0.1:9"\n'
    )
    variables = {"GREENLIGHT_CONFIG": str(data / "greenlight.toml"), "VIEWER_TOKEN": "a-viewer-s-token-of-twenty"}
    with running(data, **variables) as url:
        yield url, data


def send(portal: tuple[str, Path], content: bytes, *, media: str = JSON, **headers: str) -> httpx.Response:
    return httpx.post(f"{portal[0]}/v1/traces", content=content, timeout=PATIENCE_S,
                      headers=AUTHORISED | {"Content-Type": media} | {k.replace("_", "-"): v for k, v in headers.items()})  # fmt: skip


def kept(portal: tuple[str, Path]) -> list[Any]:
    return list(Traces(portal[1]).newest(ALL, limit=1000))


def test_the_real_exporter_is_understood(portal: tuple[str, Path]) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "swarm", "service.version": "v9"}))
    exporter = OTLPSpanExporter(endpoint=f"{portal[0]}/v1/traces", headers=AUTHORISED)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "pay", "gen_ai.tool.call.arguments": "{}",
            "api_key": SECRET}  # fmt: skip
    with (
        tracer.start_as_current_span("invoke_agent swarm", attributes={"gen_ai.operation.name": "invoke_agent"}),
        tracer.start_as_current_span("execute_tool pay", attributes=said) as call,
    ):
        call.set_status(Status(StatusCode.ERROR, f"refused {SECRET}"))
        call.record_exception(ValueError(SECRET))
    provider.shutdown()
    found = {each.operation: each for each in kept(portal) if each.service == "swarm"}
    tool, agent = found["execute_tool"], found["invoke_agent"]
    assert (tool.tool, tool.kind, tool.status, tool.version) == ("pay", "tool", "error", "v9")
    assert tool.parent_id == agent.span_id
    assert tool.trace_id == agent.trace_id
    assert (agent.kind, agent.status) == ("agent", "ok")
    for file in Path(portal[1]).rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_more_spans_than_a_request_may_hold_are_refused_whole(portal: tuple[str, Path]) -> None:
    before = len(kept(portal))
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for number in range(20_001):
        spans.add(
            trace_id=number.to_bytes(16, "big"), span_id=(number + 1).to_bytes(8, "big"), start_time_unix_nano=10**18
        )
    assert send(portal, message.SerializeToString(), media=PROTOBUF).status_code == 413
    many = [{"traceId": f"{n:032x}", "spanId": f"{n + 1:016x}", "startTimeUnixNano": 10**18} for n in range(20_001)]
    assert send(portal, json.dumps(request(*many)).encode()).status_code == 413
    assert len(kept(portal)) == before


def test_json_is_taken_plain_and_gzipped(portal: tuple[str, Path]) -> None:
    body = json.dumps(request(span(attribute("gen_ai.tool.name", "json-tool")))).encode()
    for content, headers in ((body, {}), (gzip.compress(body), {"Content_Encoding": "gzip"})):
        answer = send(portal, content, **headers)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["content-type"].startswith(JSON)
    assert any(each.tool == "json-tool" for each in kept(portal))


def test_what_can_not_be_used_is_counted_in_the_answer(portal: tuple[str, Path]) -> None:
    content = json.dumps(request(span(), span(traceId=""), span(startTimeUnixNano="x"))).encode()
    said = send(portal, content).json()
    assert said["partialSuccess"]["rejectedSpans"] == "2"
    assert "no trace id" in said["partialSuccess"]["errorMessage"]
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.add(name="no ids")
    answer = send(portal, message.SerializeToString(), media=PROTOBUF)
    assert answer.headers["content-type"] == PROTOBUF
    assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 1


@pytest.mark.parametrize(("content", "media", "headers", "status"), [
    (b"{", JSON, {}, 400), (b"[]", JSON, {}, 400), (b"\xff\xff\xff", PROTOBUF, {}, 400), (b"{}", "text/plain", {}, 415),
    (b"{}", JSON, {"Content_Encoding": "br"}, 415), (b"{}", JSON, {"Content_Encoding": "gzip"}, 400),
    (gzip.compress(b"{}", mtime=0)[:-6], JSON, {"Content_Encoding": "gzip"}, 400),
    (gzip.compress(b" " * (40 << 20), mtime=0), JSON, {"Content_Encoding": "gzip"}, 413), (b" " * (17 << 20), JSON, {}, 413),
    (b"{}", JSON, {"Authorization": "Bearer wrong"}, 401),
    (b"{}", JSON, {"Authorization": "Bearer a-viewer-s-token-of-twenty"}, 403),
], ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "")  # fmt: skip
def test_a_wrong_call_has_the_standard_s_status(
    portal: tuple[str, Path], content: bytes, media: str, headers: dict[str, str], status: int
) -> None:
    before = len(kept(portal))
    answer = send(portal, content, media=media, **headers)
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    if media == JSON and status not in {401, 403}:
        assert set(answer.json()) == {"code", "message"}
    assert len(kept(portal)) == before
