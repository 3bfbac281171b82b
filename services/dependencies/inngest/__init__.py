"""Inngest, which starts background jobs."""
