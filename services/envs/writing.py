"""From a person's form to a written env file. Preview, write, undo, for a configured environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from services import access
from services.access import Person
from services.env_files import reading, writer
from services.env_files.document import Document, UnreadableSource, from_text, read_any
from services.env_files.writer import Written
from services.envs import plan as planning
from services.envs.catalogue import FLAGS, Catalogue
from services.envs.findings import Mode, check_document, ordered
from services.envs.plan import Plan
from services.envs.rules import Finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A plan for a file, and what the file held when it was made."""

    path: Path
    plan: Plan
    before: bytes | None = field(repr=False)
    refused: tuple[Finding, ...] = ()  # errors that the given values would bring into the file


def open_for_writing(path: Path) -> tuple[Document, bytes | None]:
    """The env file as it stands; an empty one where there is none. Raises UnreadableSource."""
    if not path.exists():
        return from_text("", path.name), None
    before = reading.read_bytes(path)
    document = read_any(before, path.name)
    if document.origin != "file":
        raise UnreadableSource(f"{path} is a platform's JSON export, not an env file; it can't be written.")
    return document, before


def preview(
    path: Path,
    catalogue: Catalogue,
    mode: Mode,
    given: Mapping[str, str],
    *,
    enforce: bool = False,
    insist: frozenset[str] = frozenset(),
) -> Preview:
    """What writing would change. Raises UnreadableSource or plan.RefusedPlan."""
    document, before = open_for_writing(path)
    known = {*given, *catalogue.keys, *document.values}
    unknown = sorted(insist - known)
    if unknown:
        raise planning.RefusedPlan(f"There is no value to replace for {unknown[0][:80]!r}. Give one, or leave it out.")
    wanted = planning.wanted_values(document, catalogue, mode, given, enforce=enforce)
    explicit = frozenset(given) | (frozenset(FLAGS) if enforce else frozenset())
    made = planning.make(document, catalogue, wanted, insist=insist, explicit=explicit)
    changed = {action.key for action in made.changes} & set(given)
    refused: tuple[Finding, ...] = ()
    if made.text is not None and changed:
        after = check_document(from_text(made.text, path.name), catalogue, mode)
        refused = tuple(f for f in ordered(after) if f.severity == "error" and f.key in changed)
    return Preview(path=path, plan=made, before=before, refused=refused)


def undo(path: Path, now: datetime, *, by: Person) -> Written:
    """Bring the newest backup back. Raises Forbidden or writer.NotWritten."""
    access.require(by, "write_env")
    return writer.undo(path, now=now)


def write(preview_: Preview, now: datetime, *, by: Person) -> Written:
    """Carry a preview out; nothing else than what it showed. Raises Forbidden or writer.NotWritten."""
    access.require(by, "write_env")
    if preview_.plan.text is None:
        return Written(path=preview_.path, backup=None)
    return writer.apply(preview_.path, preview_.plan.text, before=preview_.before, now=now)
