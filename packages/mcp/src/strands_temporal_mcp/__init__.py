"""MCP servers for durable Strands agents on Temporal.

In a workflow:

    echo = TemporalMCPClient(server="echo", start_to_close_timeout=timedelta(seconds=30))
    self.agent = TemporalAgent(model="claude", tools=[echo])

On the worker or its client:

    MCPPlugin(mcp_clients={"echo": lambda: MCPClient(lambda: stdio_client(...))})
"""

from ._errors import MCPServersUnavailableError
from ._plugin import MCPPlugin
from ._servers import MCPClientFactory
from ._workflow import TemporalMCPClient

__all__ = ["MCPClientFactory", "MCPPlugin", "MCPServersUnavailableError", "TemporalMCPClient"]
