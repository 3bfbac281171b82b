"""A job that calls us."""
