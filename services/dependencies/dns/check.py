"""A question to a name server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.resolver

from services.dependencies.kind import Context, Found
from services.dependencies.model import Failure
from services.outside import storable

if TYPE_CHECKING:
    from services.dependencies.dns.kind import DnsTable

MOST = 50


async def run(table: DnsTable, _context: Context) -> Found | Failure:
    """Ask once; what isn't answered within the deadline is asked again of the other servers by the resolver."""
    started = time.perf_counter()

    def failed(code: str, detail: str) -> Failure:
        return Failure(code=code, detail=detail[:300], timings={"total": (time.perf_counter() - started) * 1000})

    try:
        resolver = dns.asyncresolver.Resolver(configure=table.server is None)
    except dns.resolver.NoResolverConfiguration:
        return failed("no_server", "this machine names no name server")
    if table.server is not None:
        resolver.nameservers, resolver.port = [table.server], table.port
    try:
        answer = await resolver.resolve(table.host, table.record, lifetime=table.deadline_s, search=False)
    except dns.resolver.NXDOMAIN:
        return failed("no_such_name", f"{table.host}: NXDOMAIN")
    except dns.resolver.NoAnswer:
        return failed("no_such_record", f"{table.host} has no {table.record} record")
    except dns.resolver.NoNameservers as error:
        return failed("server_failed", _reasons(error))
    except (dns.exception.Timeout, OSError) as error:
        return failed("no_answer", type(error).__name__)
    except dns.exception.DNSException as error:
        return failed("bad_answer", type(error).__name__)
    elapsed = (time.perf_counter() - started) * 1000
    rrset = answer.rrset
    found = [storable(record.to_text().strip('"').rstrip(".")) for record in (rrset or ())][:MOST]
    facts = {"ms": elapsed, "answers": found, "count": len(found), "ttl": rrset.ttl if rrset is not None else None}
    return Found(
        facts=facts, latency_ms=elapsed, detail={"answers": found, "ttl": facts["ttl"], "record": table.record}
    )


def _reasons(error: dns.resolver.NoNameservers) -> str:
    """What the servers answered: SERVFAIL, REFUSED, …"""
    return ", ".join(str(item[-2] if item[-2] else "no answer")[:60] for item in error.kwargs.get("errors", ()))
