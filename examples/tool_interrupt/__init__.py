"""A tool pauses the agent; a person decides at the command line."""
