"""Tools in the workflow, and tools as activities."""
