"""A hook pauses the agent before it deletes a file; a signal brings the answer."""
