"""A TCP port."""
