"""The reference agent: a small policy engine that works from a case's input and context alone."""
