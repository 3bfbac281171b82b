"""A target for probes that costs little itself: `python -m benchmarks.target PORT` answers every request with 200."""

from __future__ import annotations

import asyncio
import sys

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\nConnection: close\r\n\r\n' \
         b'{"ready":true,"version":"b-1"}'  # fmt: skip


class Target(asyncio.Protocol):
    """Answers once the request's head is complete, then closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if b"\r\n\r\n" in data and isinstance(self._transport, asyncio.Transport):
            self._transport.write(ANSWER)
            self._transport.close()


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Target, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
