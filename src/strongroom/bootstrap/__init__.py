"""The only place where adapters are chosen and joined to ports: one file a process."""
