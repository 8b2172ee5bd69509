#!/usr/bin/env bash
# Strands gives the same result for an error that the MCP server returned and for a lost connection.
#
# Packages: strands-agents 1.62.0, mcp 2.1.1. Tried on 2026-11-29.
# Guess: `call_tool_sync` raises for a lost connection, because nobody knows whether the call was carried out.
# Or the result has the error's JSON-RPC code (-32000 or the server's own), as mcp's MCPError has.
# Instead: both are a failed tool result with only the message. Code and data are gone. If a server itself
# answers with the error "Connection closed", the dictionary is equal to that of a lost connection. Neither
# has `isError`, which a tool's own failure has.
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
import os

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError

server = MCPServer("server")


@server.tool()
def failed() -> str:
    raise ToolError("no such city")


@server.tool()
def refused() -> str:
    raise MCPError(code=-32050, message="Connection closed", data={"retry": False})


@server.tool()
def ended() -> str:
    os._exit(0)


server.run("stdio")
'''

logging.disable()  # Strands logs the tracebacks
Path("server.py").write_text(SERVER)
client = MCPClient(lambda: stdio_client(StdioServerParameters(command=sys.executable, args=["server.py"])))
results = {}
with client:
    for name in ("failed", "refused", "ended"):
        results[name] = client.call_tool_sync("call-1", name, {})
        print(f"{name}: {results[name]}", flush=True)
same = (
    results["refused"] == results["ended"]
    and set(results["ended"]) == {"status", "toolUseId", "content"}
    and results["ended"]["status"] == "error"
    and results["failed"]["isError"]
)
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
