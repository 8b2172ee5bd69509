"""The code that runs in activities and may do I/O."""
