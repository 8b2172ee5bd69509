"""The inbox: pages on which people decide. `strands_temporal_hitl.inbox` makes it."""
