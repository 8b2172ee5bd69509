"""A research crew: a graph, an MCP server, and a sub-agent in a child workflow."""
