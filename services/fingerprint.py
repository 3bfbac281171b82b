"""Tells that a value changed, without keeping it. A keyed HMAC per value, one over all of them, and drift between two
times.

The key belongs to the installation: without it, a mark says nothing about a value. Marks of two installations, or
from before and after the key was lost, can't be compared; `key_id` distinguishes them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.advice import Advice
from services.env_files.document import Document
from services.errors import Problem, SettingsError

KEY_FILE = "installation_key"
EMPTY = ""
MARK_CHARS = 32  # 128 bits


@dataclass(frozen=True, slots=True)
class InstallationKey:
    """The key of this installation's fingerprints; its repr shows nothing of it."""

    raw: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Distinguishes keys without saying anything about them."""
        return self._digest("greenlight key id", "")[:8]

    def mark(self, key: str, value: str) -> str:
        """The value's mark; values of two keys are never comparable. An empty value has an empty mark."""
        return self._digest(f"value:{key}", value)[:MARK_CHARS] if value else EMPTY

    def fingerprint(self, marks: Mapping[str, str]) -> str:
        """One fingerprint over all keys: `<key id>-<24 hex digits>`."""
        return f"{self.id}-{self._digest('environment', json.dumps(dict(marks), sort_keys=True))[:24]}"

    def secret(self, purpose: str, text: str) -> str:
        """A secret of 40 hex digits that only this installation can make, the same each time."""
        return self._digest(f"secret:{purpose}", text)[:40]

    def _digest(self, purpose: str, text: str) -> str:
        message = f"{purpose}\0{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self.raw, message, hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What an environment's configuration was, as marks, from first to last time that it was seen so."""

    environment: str
    source: str
    first_ms: int
    last_ms: int
    fingerprint: str
    key_id: str
    marks: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """What changed between two snapshots, by key; `comparable` is False where the installation's key was replaced."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    comparable: bool = True

    @property
    def any(self) -> bool:
        """Whether anything changed."""
        return bool(self.added or self.removed or self.changed or self.emptied or self.filled)


def snapshot(document: Document, key: InstallationKey, *, environment: str, source: str, at_ms: int) -> Snapshot:
    """A configuration's marks at a moment."""
    marks = {name: key.mark(name, value or "") for name, value in document.values.items()}
    return Snapshot(
        environment=environment,
        source=source,
        first_ms=at_ms,
        last_ms=at_ms,
        fingerprint=key.fingerprint(marks),
        key_id=key.id,
        marks=marks,
    )


def drift(before: Snapshot, after: Snapshot) -> Drift:
    """What changed from one snapshot to the other."""
    old, new = before.marks, after.marks
    if before.key_id != after.key_id:
        return Drift(
            added=tuple(sorted(new.keys() - old.keys())),
            removed=tuple(sorted(old.keys() - new.keys())),
            comparable=False,
        )
    different = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    return Drift(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        changed=tuple(name for name in different if old[name] and new[name]),
        emptied=tuple(name for name in different if not new[name]),
        filled=tuple(name for name in different if not old[name]),
    )


def installation_key(data_dir: Path) -> InstallationKey:
    """This installation's key: made on first use, for this user alone. Raises SettingsError where it can't be."""
    path = data_dir / KEY_FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(secrets.token_hex(32) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            try:
                os.link(draft, path)  # all of it or none, and only the first of two starters
            except FileExistsError:
                pass
            except OSError:  # a file system without hard links
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or "it is damaged") from error
    if len(raw) < 16:
        raise _unusable(path, "it is too short")
    return InstallationKey(raw)


def _unusable(path: Path, why: str) -> SettingsError:
    fix = (
        "Make the data folder readable and writable for this user. If the key is lost or damaged, remove the file: "
        "a new one is made, and only comparisons with older fingerprints are lost."
    )
    return SettingsError(
        (Problem(source=str(path), key="(file)", advice=Advice(what=f"can't be used ({why}).", fix=fix)),)
    )
