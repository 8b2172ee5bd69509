"""Example programs for strands-temporal. Run them from the root: `python -m examples.demo`."""
