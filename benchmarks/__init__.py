"""Each figure as a ratio against a peer, or against a limit, taken in the same run."""
