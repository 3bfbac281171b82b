"""A provider of language models."""
