"""A connection to a TCP port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from services.dependencies.http_client import Watch, certificate_detail, certificate_of, open_stream, rounded
from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure
from services.outside import storable

if TYPE_CHECKING:
    from services.dependencies.tcp.kind import TcpTable

MOST_BANNER = 1024


async def run(table: TcpTable, _context: Context) -> Found | Failure:
    """Connect; each phase within one deadline."""
    watch = Watch()
    try:
        async with asyncio.timeout(table.deadline_s):
            opened = await open_stream(table.host, table.port, secure=table.tls, watch=watch)
            if isinstance(opened, Failure):
                return opened
            reader, writer = opened
            try:
                expires, days = certificate_of(writer)
                facts: dict[str, Any] = {"cert_days": days}
                if table.banner:
                    watch.begin("banner")
                    said = await _banner(reader)
                    watch.end()
                    if not said:
                        return watch.failed("closed", "closed before it said anything")
                    facts["banner"] = said
            finally:
                writer.transport.abort()
    except TimeoutError:
        return watch.late(table.deadline_s) if watch.phase != "banner" else watch.failed("no_banner", "silent")
    except OSError as error:
        return watch.failed("closed", f"{type(error).__name__} in phase {watch.phase}")
    timings = watch.finish()
    facts["ms"] = timings["total"]
    detail: dict[str, Any] = {"timings_ms": rounded(timings)} | certificate_detail(expires, days)
    if "banner" in facts:
        detail["banner"] = facts["banner"][:120]
    return Found(facts=facts, latency_ms=timings["total"], detail=detail)


async def _banner(reader: asyncio.StreamReader) -> str:
    """The first line, or as much as may be read of one."""
    said = b""
    while len(said) < MOST_BANNER and b"\n" not in said:
        data = await reader.read(MOST_BANNER - len(said))
        if not data:
            break
        said += data
    return storable(said.split(b"\n")[0].decode("utf-8", "replace").strip())
