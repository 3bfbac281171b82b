"""The kinds of dependencies that a team can declare. A new one is a folder, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from services.dependencies.dns.kind import DNS
from services.dependencies.heartbeat.kind import HEARTBEAT
from services.dependencies.http.kind import HTTP
from services.dependencies.kind import Kind
from services.dependencies.model_api.kind import MODEL_API
from services.dependencies.postgres.kind import POSTGRES
from services.dependencies.smtp.kind import SMTP
from services.dependencies.tcp.kind import TCP

KINDS: Mapping[str, Kind] = {
    kind.name: kind for kind in (HTTP, TCP, DNS, POSTGRES, MODEL_API, SMTP, HEARTBEAT)
}  # fmt: skip
