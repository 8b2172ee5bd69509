"""The smallest durable agent."""
