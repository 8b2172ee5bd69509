"""An A2A server in front of a durable agent."""
