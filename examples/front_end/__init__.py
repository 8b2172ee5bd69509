"""A chat page in front of a durable agent, over AG-UI."""
