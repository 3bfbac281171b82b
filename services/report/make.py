"""How a report is made, from facts to sealed file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from services import clock, documents
from services.errors import GreenlightError
from services.report import render, seal
from services.report.blocks import TITLES, Block, blocks
from services.report.document import Kind, document
from services.report.seal import Format
from services.settings.model import Settings
from services.store import Store

MIME: dict[Format, str] = {
    "md": "text/markdown", "html": "text/html", "pdf": "application/pdf", "json": "application/json",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A report before it is written: its facts, from which every format is made."""

    found: dict[str, Any]
    data_dir: Path

    @property
    def kind(self) -> Kind:
        """Which report it is."""
        kind: Kind = self.found["kind"]
        return kind

    @property
    def title(self) -> str:
        """Its title."""
        kind = TITLES[self.found["kind"]]
        mark = " (simulated)" if self.found["simulated"] else ""
        return f"{kind}: {self.found['environment']}{mark}"

    def file_name(self, format_: Format) -> str:
        """A name for a download."""
        mark = "-simulated" if self.found["simulated"] else ""
        day = self.found["made_at"][:10]
        return f"greenlight-{self.found['kind']}-{self.found['environment']}{mark}-{day}.{format_}"

    def blocks(self) -> tuple[Block, ...]:
        """Its pieces, for the preview."""
        return blocks(self.found)

    def text(self) -> str:
        """As plain text, for an e-mail or a chat; unsealed."""
        return render.text(blocks(self.found))

    def trouble(self) -> str:
        """Why it can't be sealed here, and what to do; "" where it can."""
        try:
            seal.key(self.data_dir)
        except GreenlightError as error:
            return str(error)
        except OSError as error:
            return f"The signing key can't be read or made in {self.data_dir} ({error.strerror}): fix that."
        return ""

    def file(self, format_: Format) -> bytes:
        """The sealed file. Raises OSError where the signing key can't be made."""
        pieces = blocks(self.found)
        if format_ == "json":
            content = seal.canonical(self.found)
        elif format_ == "md":
            content = render.markdown(pieces).encode()
        elif format_ == "html":
            content = documents.html("report.html", **render.values(self.found, self.title)).encode()
        else:
            made_at = datetime.fromisoformat(self.found["made_at"])
            content = documents.pdf("report.typ", render.values(self.found, self.title), made_at=made_at)
        return seal.sealed(content, format_, self.found, seal.key(self.data_dir))


def report(store: Store, settings: Settings, name: str, kind: Kind) -> Report:
    """A report on an environment, now. Raises UnknownEnvironment or StoreError."""
    return Report(found=document(store, settings, name, kind, clock.now_ms()), data_dir=settings.data_dir)
