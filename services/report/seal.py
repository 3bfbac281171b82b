"""The seal of a report. An Ed25519 signature over all of its bytes, carried by the file itself.

The seal is a last line: a comment in Markdown, HTML and PDF, a member in JSON. It holds the public key, the chain's
head that the report was made at, and the signature over everything before it and over itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from services.errors import GreenlightError

Format = Literal["md", "html", "pdf", "json"]
FORMATS: tuple[Format, ...] = ("md", "html", "pdf", "json")
KEY_FILE, PUBLIC_FILE = "report_key.pem", "report_key.pub.pem"
NO_KEY = (
    "{path} holds no signing key that can be used: bring it back from a backup, or move it away and a new one is made."
)
_OPEN: Mapping[str, tuple[bytes, bytes]] = {
    "md": (b"\n<!-- greenlight-seal ", b" -->\n"),
    "html": (b"\n<!-- greenlight-seal ", b" -->\n"),
    "pdf": (b"\n%greenlight-seal ", b"\n"),
}
_SEAL = re.compile(rb"\n(?:<!-- |%)greenlight-seal ([A-Za-z0-9+/=]+)(?: -->)?\n\Z")


class NoReport(GreenlightError):
    """A file that is no report; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seal:
    """What a seal says. `key` is the fingerprint of the public key that made it."""

    environment: str
    kind: str
    made_at: str
    records: int
    head: str
    public_key: bytes

    @property
    def key(self) -> str:
        """The public key's fingerprint: SHA-256, its first 16 bytes in groups."""
        return fingerprint(self.public_key)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What checking a file came to. `whole`: not a byte was changed since it was signed with `seal.key`."""

    whole: bool
    why: str
    seal: Seal


def fingerprint(public_key: bytes) -> str:
    """A raw public key in a form that people can compare."""
    text = hashlib.sha256(public_key).hexdigest()[:32]
    return ":".join(text[i : i + 4] for i in range(0, 32, 4))


def key(data_dir: Path) -> Ed25519PrivateKey:
    """The installation's signing key, made on first use (0600), its public half beside it. Raises NoReport, OSError."""
    path = data_dir / KEY_FILE
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = path.with_name(f"{KEY_FILE}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
        try:
            os.link(draft, path)  # whole or not at all, and of two who make one at once the first's stays
        except FileExistsError:
            return key(data_dir)
        finally:
            draft.unlink()
        public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (data_dir / PUBLIC_FILE).write_bytes(public)
    try:
        found = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NoReport(NO_KEY.format(path=path)) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise NoReport(NO_KEY.format(path=path))
    return found


def raw_public(private: Ed25519PrivateKey) -> bytes:
    """The raw public key."""
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sealed(content: bytes, format_: Format, found: Mapping[str, Any], private: Ed25519PrivateKey) -> bytes:
    """The content with its seal. For JSON the content is the canonical document."""
    said = {
        "v": 1,
        "environment": found["environment"],
        "kind": found["kind"],
        "made_at": found["made_at"],
        "records": found["chain"]["records"],
        "head": found["chain"]["head"],
        "public_key": base64.b64encode(raw_public(private)).decode(),
    }
    signature = base64.b64encode(private.sign(_signed(content, said))).decode()
    if format_ == "json":
        return (
            json.dumps({"report": json.loads(content), "seal": said | {"signature": signature}}, indent=2,
                       ensure_ascii=False).encode() + b"\n"
        )  # fmt: skip
    coded = base64.b64encode(json.dumps(said | {"signature": signature}, sort_keys=True).encode())
    before, after = _OPEN[format_]
    return content + before + coded + after


def _signed(content: bytes, said: Mapping[str, Any]) -> bytes:
    plain = {key: said[key] for key in sorted(said) if key != "signature"}
    return hashlib.sha256(content).digest() + json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def canonical(found: Mapping[str, Any]) -> bytes:
    """A document as the bytes that are signed in JSON."""
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check(file: bytes) -> Checked:
    """Check a report from the file alone. Raises NoReport where it is none."""
    content, said = _taken_apart(file)
    try:
        public = base64.b64decode(said["public_key"], validate=True)
        signature = base64.b64decode(said["signature"], validate=True)
        seal = Seal(
            environment=str(said["environment"]), kind=str(said["kind"]), made_at=str(said["made_at"]),
            records=int(said["records"]), head=str(said["head"]), public_key=public,
        )  # fmt: skip
        verifier = Ed25519PublicKey.from_public_bytes(public)
    except (KeyError, TypeError, ValueError) as error:
        raise NoReport("Its seal is damaged: it can't be read.") from error
    try:
        verifier.verify(signature, _signed(content, said))
    except InvalidSignature:
        return Checked(whole=False, why="it was altered after it was signed", seal=seal)
    return Checked(whole=True, why="", seal=seal)


def _taken_apart(file: bytes) -> tuple[bytes, dict[str, Any]]:
    if file.lstrip()[:1] == b"{":
        try:
            found = json.loads(file, object_pairs_hook=_once)
            if set(found) != {"report", "seal"}:
                raise NoReport("It is no report: JSON with more, or less, than a report and a seal.")
            return canonical(found["report"]), dict(found["seal"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise NoReport("It is no report: JSON without a report and a seal.") from error
    match = _SEAL.search(file)
    if match is None:
        raise NoReport("It carries no seal at its end: it is no report, or its end was cut off.")
    try:
        said = json.loads(base64.b64decode(match.group(1), validate=True))
    except (ValueError, RecursionError) as error:
        raise NoReport("Its seal is damaged: it can't be read.") from error
    if not isinstance(said, dict):
        raise NoReport("Its seal is damaged: it can't be read.")
    return file[: match.start()], said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once: of two, one reader would take the first and another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def public_of(pem: bytes) -> bytes:
    """A published public key (PEM) as raw bytes. Raises NoReport."""
    try:
        found = load_pem_public_key(pem)
    except ValueError as error:
        raise NoReport("The public key can't be read: give the PEM file that the team published.") from error
    if not isinstance(found, Ed25519PublicKey):
        raise NoReport("The public key is no Ed25519 key.")
    return found.public_bytes(Encoding.Raw, PublicFormat.Raw)
