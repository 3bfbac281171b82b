"""The guided checklist from relaxed to strict mode."""
