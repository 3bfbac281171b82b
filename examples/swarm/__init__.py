"""The reference swarm: an agent application's shell, built on the contract kit, with switchable faults."""
