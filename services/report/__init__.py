"""Reports for leadership, sealed so that a reader can tell that nobody changed them."""
