"""An MCP server on mcp 2 that sends its own spans by OTLP, and returns the metadata of a call."""

import os
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

server = MCPServer("traced")


@server.tool()
def traceparent(context: Context[Any, Any]) -> str:
    """Tell the trace context of this call."""
    meta: Any = context.request_context.meta
    with trace.get_tracer("server").start_as_current_span("the server's own work"):
        return str(meta.get("traceparent"))


@server.tool()
def die_once(marker: str, context: Context[Any, Any]) -> str:
    """End the server's process in the middle of the call, the first time."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os._exit(3)
    return traceparent(context)


if __name__ == "__main__":
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    server.run("stdio")
