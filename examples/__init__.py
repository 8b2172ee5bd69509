"""Programs that show strands-temporal at work. Run them from the root: `python -m examples.demo`."""
