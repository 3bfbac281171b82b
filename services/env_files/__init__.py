"""Env files and exports of hosting platforms: how they are read, and written whole. Used by settings and features."""
