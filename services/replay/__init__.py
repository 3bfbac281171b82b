"""The replay harness: golden cases, agents, judges, and a gate that can be trusted."""
