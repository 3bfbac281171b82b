"""Evidence: what was checked, with which outcome, when, and under what."""

from services.evidence.model import Evidence, Outcome

__all__ = ["Evidence", "Outcome"]
