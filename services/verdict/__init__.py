"""Go, No-Go, or not enough evidence: a pure function of evidence and time."""
