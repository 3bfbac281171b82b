"""Env files and exports of hosting platforms: how they are read. Settings and env features both use it."""
