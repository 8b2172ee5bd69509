"""A hook pauses the agent before a file is deleted; a signal brings the answer."""
