"""OpenTelemetry's traces over HTTP: `POST /v1/traces`, JSON or protobuf, plain or gzipped.

Source: *OTLP Specification*, OTLP/HTTP: the answer has the request's form; an error is a google.rpc.Status; only 429,
502, 503 and 504 are tried again.
"""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from filelock import Timeout
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from runtime.body_limit import DEADLINE_S
from services import access
from services.access import Person
from services.outside import NotJson, parse_json
from services.settings import Settings
from services.traces import otlp
from services.traces.cleaning import Cleaner
from services.traces.keep import Kept

PATH = "/v1/traces"
MOST_BYTES = 16 << 20  # of a body, before and after it is unpacked
MOST_SPANS = 20_000  # of one request: more would keep this process from its pages; exporters send 512
JSON, PROTOBUF = "application/json", "application/x-protobuf"
INVALID, UNAVAILABLE, TOO_LARGE, DENIED = 3, 14, 8, 16  # google.rpc.Code
_IDS = ("traceId", "spanId", "parentSpanId")
_ANY = {JSON: {"schema": {"type": "object"}}, PROTOBUF: {"schema": {"type": "string", "format": "binary"}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Taken; what could not be used is counted in partialSuccess.", "content": _ANY},
    400: {"description": "The body is not of that form.", "content": _ANY},
    408: {"description": "The body did not come in time.", "content": _ANY},
    413: {"description": "The body is larger than 16 MiB, or is so once unpacked.", "content": _ANY},
    415: {"description": "Another media type or encoding.", "content": _ANY},
    503: {"description": "It can't be kept now; Retry-After says when to try again.", "content": _ANY},
}


class _Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def mount(app: FastAPI, settings: Settings, guard: Callable[..., Person]) -> None:
    """Add the route."""
    kept = Kept(settings.data_dir)
    cleaner = Cleaner(content=settings.traces.content)

    @app.post(PATH, responses=_RESPONSES, response_class=Response,
              openapi_extra={"requestBody": {"required": True, "content": _ANY}})  # fmt: skip
    async def traces(
        request: Request,
        person: Person = Depends(guard),  # noqa: B008 - FastAPI reads it
    ) -> Response:
        """Take spans in. They are on the disk when this answers."""
        access.require(person, "traces")
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        form = media if media in {JSON, PROTOBUF} else JSON
        try:
            if media not in {JSON, PROTOBUF}:
                raise _Refused(415, INVALID, f"Send {JSON} or {PROTOBUF}.")
            body = _unpacked(await _body(request), request.headers.get("content-encoding", "").strip().lower())
            rejected = await run_in_threadpool(_take_in, kept, cleaner, _request(body, media))
        except _Refused as error:
            return _error(error, form)
        return _taken(rejected, form)


async def _body(request: Request) -> bytes:
    found = bytearray()
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for part in request.stream():
                found += part
                if len(found) > MOST_BYTES:
                    raise _Refused(413, TOO_LARGE, "The body is larger than 16 MiB. Send smaller batches.")
    except TimeoutError:
        raise _Refused(408, UNAVAILABLE, f"The body did not come within {DEADLINE_S:g} s.") from None
    return bytes(found)


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise _Refused(415, INVALID, "Send the body as it is, or gzipped.")
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        raise _Refused(400, INVALID, "The body is not gzip, as its encoding says.") from None
    if len(found) > MOST_BYTES or unpack.unconsumed_tail:
        raise _Refused(413, TOO_LARGE, "The body is larger than 16 MiB once unpacked. Send smaller batches.")
    if not unpack.eof:
        raise _Refused(400, INVALID, "The gzipped body ends too early.")
    return found


def _request(body: bytes, media: str) -> Mapping[str, Any]:
    try:
        if media == JSON:
            found = parse_json(body)
        else:
            message = ExportTraceServiceRequest()
            message.ParseFromString(body)
            _few_enough(sum(len(scope.spans) for each in message.resource_spans for scope in each.scope_spans))
            found = _in_hex(json_format.MessageToDict(message))
    except (NotJson, DecodeError, ValueError, RecursionError):
        raise _Refused(400, INVALID, "The body is no ExportTraceServiceRequest.") from None
    if not isinstance(found, dict):
        raise _Refused(400, INVALID, "The body is no ExportTraceServiceRequest.")
    return found


def _few_enough(spans: int) -> None:
    if spans > MOST_SPANS:
        raise _Refused(413, TOO_LARGE, f"The request holds more than {MOST_SPANS:,} spans. Send smaller batches.")


def _in_hex(value: Any) -> Any:
    """Ids as the JSON form of OTLP has them: protobuf's own JSON writes them in base64."""
    if isinstance(value, dict):
        return {name: base64.b64decode(inner).hex() if name in _IDS and isinstance(inner, str) else _in_hex(inner)
                for name, inner in value.items()}  # fmt: skip
    return [_in_hex(item) for item in value] if isinstance(value, list) else value


def _take_in(kept: Kept, cleaner: Cleaner, request: Mapping[str, Any]) -> tuple[int, str]:
    """Keep the spans; how many could not be used, and why the first one could not."""
    spans, wrong = [], []
    for number, (span, why) in enumerate(otlp.spans(request, cleaner), 1):
        _few_enough(number)
        if span is None:
            wrong.append(why)
        else:
            spans.append(span)
    try:
        if spans:
            with kept.changing():
                kept.add(spans)
    except (OSError, Timeout):
        raise _Refused(503, UNAVAILABLE, "The spans can't be kept now. Send them again.") from None
    return len(wrong), wrong[0] if wrong else ""


def _taken(rejected: tuple[int, str], form: str) -> Response:
    count, why = rejected
    if form == PROTOBUF:
        made = ExportTraceServiceResponse()
        if count:
            made.partial_success.rejected_spans = count
            made.partial_success.error_message = f"Not used: {why}."
        return Response(made.SerializeToString(), media_type=PROTOBUF)
    said = {"partialSuccess": {"rejectedSpans": str(count), "errorMessage": f"Not used: {why}."}} if count else {}
    return Response(json.dumps(said), media_type=JSON)


def _error(error: _Refused, form: str) -> Response:
    headers = {"Retry-After": "5"} if error.status == 503 else None
    if form == PROTOBUF:
        content = _status(error.code, error.message)
    else:
        content = json.dumps({"code": error.code, "message": error.message}).encode()
    return Response(content, status_code=error.status, media_type=form, headers=headers)


def _status(code: int, message: str) -> bytes:
    """google.rpc.Status: field 1 the code, field 2 the message; their numbers are part of the protocol."""
    text = message.encode()
    return b"\x08" + bytes([code]) + b"\x12" + bytes([len(text)]) + text
