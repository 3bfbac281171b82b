"""Signs what goes to and comes from other programs, and checks it: HMAC-SHA256 over "<time>.<body>"."""

from __future__ import annotations

import hashlib
import hmac
import re

HEADER = "X-Greenlight-Signature"
TOLERANCE_S = 300
SIGNATURE = re.compile(r"^t=(\d{1,12}),v1=([0-9a-f]{64})$")


def sign(key: str, body: bytes, at_s: int) -> str:
    """The header `X-Greenlight-Signature` for a body: HMAC-SHA256 over "<time>.<body>", as webhooks commonly do."""
    digest = hmac.new(key.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def signed(key: str, body: bytes, header: str | None, now_s: float) -> bool:
    """Whether a header signs this body now; five minutes of difference between clocks are allowed."""
    found = SIGNATURE.match(header or "")
    if found is None or abs(now_s - int(found.group(1))) > TOLERANCE_S:
        return False
    return hmac.compare_digest(sign(key, body, int(found.group(1))), str(header))
