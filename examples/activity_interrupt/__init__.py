"""A tool that is an activity pauses the agent; the client decides with `ApprovalsClient`."""
