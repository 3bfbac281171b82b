"""An agent that answers every POST after 20 ms: `python -m benchmarks.slow_agent PORT`. Bare asyncio, so that it isn't
what is measured."""

from __future__ import annotations

import asyncio
import json
import re
import sys

DELAY_S = 0.02
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            found = LENGTH.search(head)
            body = await reader.readexactly(int(found.group(1))) if found else b"{}"
            await asyncio.sleep(DELAY_S)
            case = json.loads(body)
            reply = {"case_id": case.get("case_id"), "output": "done", "tool_calls": []}
            data = json.dumps(reply).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data))
            writer.write(data)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.start_server(_serve, "127.0.0.1", port, limit=1 << 20)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
