"""Probes: one look at one dependency, with a deadline, ending in a reading."""
