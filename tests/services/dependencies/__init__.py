"""Kinds of dependencies, each through a real server."""
