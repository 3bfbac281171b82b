"""A name in DNS."""
