"""What `start.py` does, with the standard library alone: set up, start in order, watch, stop in order."""
