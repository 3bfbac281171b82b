"""Who is really at the other end of a connection, and which peers are trusted. Forwarded addresses are words only."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import uvicorn.config
from starlette.types import ASGIApp, Receive, Scope, Send

from services.access import is_this_machine

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class _RealPeer:
    """In the place of uvicorn's ProxyHeadersMiddleware, which lets a header rewrite the peer's address."""

    def __init__(self, app: ASGIApp, trusted_hosts: Any = None) -> None:  # noqa: ARG002 - as uvicorn calls it
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, untouched."""
        await self._app(scope, receive, send)


def keep_real_peers() -> None:
    """No header may say who the peer is, however the portal was started.

    uvicorn wraps every application so by default, trusts loopback, and with FORWARDED_ALLOW_IPS=* (as some images set
    it) everybody. `uvicorn app:app` and `streamlit run` leave us no option to switch that off, and inside the wrapper
    the real address is lost.
    """
    vars(uvicorn.config)["ProxyHeadersMiddleware"] = _RealPeer


def peer_of(scope: Scope) -> str | None:
    """The address of the peer, an IPv4 address in IPv6's clothes as IPv4; None where there is none (a socket file)."""
    client = scope.get("client")
    if not client:
        return None
    text = str(client[0])
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    mapped = found.ipv4_mapped if found.version == 6 else None
    return str(mapped or found)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks as networks. Raises ValueError for anything else."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def is_in(address: str | None, among: Iterable[Network]) -> bool:
    """Whether an address lies in one of the networks."""
    if address is None:
        return False
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found.version == network.version and found in network for network in among)


def is_loopback(host: str) -> bool:
    """Whether an address or name can be reached from this machine alone."""
    return host == "localhost" or is_this_machine(host.strip("[]"))
