#!/usr/bin/env bash
# An MCP image of a type that Strands does not know makes the whole call fail. Audio and links disappear from
# a successful result.
#
# Packages: strands-agents 1.62.0, mcp 2.1.1. Tried on 2026-11-29.
# Guess: content that a model cannot take (a TIFF, audio) is left out or described in text. The text beside it
# is kept, and the call is a success, as the server said. A link is passed on as text.
# Instead: with image/tiff, or image/PNG in capitals, the result is an error with the text of a KeyError,
# "'image/tiff'". The server's text is lost, although the tool has done its work. Audio and resource links are
# dropped without a trace: a tool that returns nothing else succeeds with no content at all.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0 mcp==2.1.1
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import logging
import sys
from pathlib import Path

from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from strands.tools.mcp import MCPClient

SERVER = '''
from mcp.server.mcpserver import MCPServer
from mcp_types import AudioContent, CallToolResult, ImageContent, ResourceLink, TextContent

server = MCPServer("server")
BOOKED = TextContent(type="text", text="The room is booked.")


@server.tool()
def image(mime_type: str) -> CallToolResult:
    return CallToolResult(content=[BOOKED, ImageContent(type="image", data="QUJD", mime_type=mime_type)])


@server.tool()
def audio() -> CallToolResult:
    return CallToolResult(content=[AudioContent(type="audio", data="QUJD", mime_type="audio/wav")])


@server.tool()
def link() -> CallToolResult:
    return CallToolResult(content=[ResourceLink(type="resource_link", name="report", uri="https://example.com/r")])


server.run("stdio")
'''

logging.disable()  # Strands logs the tracebacks
Path("server.py").write_text(SERVER)
client = MCPClient(lambda: stdio_client(StdioServerParameters(command=sys.executable, args=["server.py"])))
seen = []
with client:
    calls = [("image", {"mime_type": kind}) for kind in ("image/png", "image/tiff", "image/PNG")]
    for name, arguments in [*calls, ("audio", {}), ("link", {})]:
        result = client.call_tool_sync("call-1", name, arguments)
        print(f"{name} {arguments}: {result['status']} {result['content']}", flush=True)
        seen.append((result["status"], result["content"]))
booked = {"text": "The room is booked."}
same = seen == [
    ("success", [booked, {"image": {"format": "png", "source": {"bytes": b"ABC"}}}]),
    ("error", [{"text": "Tool execution failed: 'image/tiff'"}]),
    ("error", [{"text": "Tool execution failed: 'image/PNG'"}]),
    ("success", []),
    ("success", []),
]
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
