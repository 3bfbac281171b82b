"""An agent that answers every POST after 20 ms: `python -m benchmarks.slow_agent PORT`. A bare protocol, so that
what is measured is who asks and not who answers."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import cast

DELAY_S = 0.02
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: "


class _Agent(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(self._held, 0, end)
            size = int(found.group(1)) if found else 0
            if len(self._held) < end + 4 + size:
                return
            body = self._held[end + 4 : end + 4 + size] or b"{}"
            self._held = self._held[end + 4 + size :]
            asyncio.get_running_loop().call_later(DELAY_S, self._answer, body)

    def _answer(self, body: bytes) -> None:
        reply = {"case_id": json.loads(body).get("case_id"), "output": "done", "tool_calls": []}
        data = json.dumps(reply).encode()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"%b%d\r\n\r\n%b" % (HEAD, len(data), data))


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(_Agent, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
