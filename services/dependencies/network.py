"""A host's name resolved and a connection made, so that no target can hold up another, whatever its name server does.

Each host's name is looked up in a thread of its own, by one lookup at a time: the system's resolver can't be
interrupted, and a shared pool would be used up by a few hosts whose name server is silent. The threads are daemons, so
that a lookup in progress doesn't keep a stopping process alive. Of several addresses the next one is tried when the
one before it is silent for 250 ms (RFC 8305).
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import socket
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import aiohappyeyeballs

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType

NEXT_ADDRESS_S = 0.25
MOST_ADDRESSES = 8
_ERRNO = re.compile(r"\[Errno (\d+)\]")
_Lookups = dict[tuple[str, int], "asyncio.Future[Sequence[AddrInfoType]]"]
_lookups: WeakKeyDictionary[asyncio.AbstractEventLoop, _Lookups] = WeakKeyDictionary()


async def resolve(host: str, port: int) -> Sequence[AddrInfoType]:
    """The addresses of a host. Raises OSError, or UnicodeError for a name that DNS can't hold."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return await asyncio.shield(_lookup(host, port))
    if address.version == 4:
        return ((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)),)
    return ((socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)),)


def _lookup(host: str, port: int) -> asyncio.Future[Sequence[AddrInfoType]]:
    """The lookup of that name, the running one where there is one."""
    loop = asyncio.get_running_loop()
    lookups = _lookups.setdefault(loop, {})
    found = lookups.get((host, port))
    if found is None:
        found = lookups[host, port] = loop.create_future()
        found.add_done_callback(lambda done: (lookups.pop((host, port), None), done.cancelled() or done.exception()))
        threading.Thread(target=_look_up, args=(loop, found, host, port), name=f"dns:{host[:40]}", daemon=True).start()
    return found


def _look_up(
    loop: asyncio.AbstractEventLoop, found: asyncio.Future[Sequence[AddrInfoType]], host: str, port: int
) -> None:
    result: Sequence[AddrInfoType] | None = None
    trouble: Exception | None = None
    try:
        result = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[:MOST_ADDRESSES]
    except (OSError, UnicodeError, ValueError) as error:
        trouble = error

    def settle() -> None:
        if found.done():
            return
        if trouble is not None:
            found.set_exception(trouble)
        else:
            found.set_result(result or ())

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:  # the loop has ended meanwhile: nobody waits for the name any more
        return


async def connect(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """A connection to the first address that accepts. Raises OSError."""
    try:
        return await aiohappyeyeballs.start_connection(
            addresses, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=asyncio.get_running_loop()
        )
    except (RuntimeError, ValueError) as error:  # uvloop's errors for a broken socket, or no address at all
        raise OSError(str(error)) from error


def was_refused(error: OSError) -> bool:
    """Whether every address said that nothing listens there."""
    codes: set[int | None] = {int(code) for code in _ERRNO.findall(str(error))} or {error.errno}
    return codes == {errno.ECONNREFUSED}
