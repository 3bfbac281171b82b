"""The store: what was measured and decided, on SQLite or PostgreSQL."""

from services.store.engine import Store

__all__ = ["Store"]
