"""MCP servers for durable Strands agents on Temporal.

In this release: the plugin's name and place, no behaviour yet.
"""

from ._plugin import MCPPlugin

__all__ = ["MCPPlugin"]
