"""A chat without end, over many runs of its workflow."""
