"""Environments: read their configuration, prove the rules, see the difference, write safely."""
