"""Health: what the probes' results add up to for an environment, and the view-models of its pages."""
