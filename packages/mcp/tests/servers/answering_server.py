"""An MCP server that counts its calls and answers each in its own way: `python answering_server.py COUNT`.

It implements the protocol by hand: a server of the `mcp` package cannot give most of these answers.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgAAIAAAUAAeImvDMAAAAASUVORK5CYII="
TEXT = {"type": "text", "text": "charged"}
ANSWERS: dict[str, dict[str, Any]] = {
    "charge": {"result": {"content": [TEXT]}},
    "declined": {"error": {"code": -32000, "message": "card declined"}},
    "declined_within": {"error": {"code": -32603, "message": "card declined", "data": {"why": "limit"}}},
    "cannot_ask": {"error": {"code": -32601, "message": "Method not found"}},
    "busy": {"error": {"code": 408, "message": "the bank timed out"}},
    "odd_image": {"result": {"content": [TEXT, {"type": "image", "data": PIXEL, "mimeType": "image/tiff"}]}},
    "broken_image": {"result": {"content": [{"type": "image", "data": "a", "mimeType": "image/png"}]}},
    "no_content": {"result": {"content": [{"type": "picture"}]}},
    "no_schema": {"result": {"content": [TEXT]}},
    "bad_schema": {"result": {"content": [TEXT], "structuredContent": {"amount": "much"}}},
}
OUTPUT = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}


def spec(name: str) -> dict[str, Any]:
    schema = {"outputSchema": OUTPUT} if name.endswith("_schema") else {}
    return {"name": name, "inputSchema": {"type": "object", "properties": {}}, **schema}


def answer(request: dict[str, Any], count: Path) -> dict[str, Any]:
    params = request.get("params") or {}
    match request["method"]:
        case "initialize":
            capable = {"capabilities": {"tools": {}}, "serverInfo": {"name": "answering", "version": "1"}}
            return {"result": {"protocolVersion": params["protocolVersion"], **capable}}
        case "tools/list":
            return {"result": {"tools": [spec(name) for name in [*ANSWERS, "die"]]}}
        case "tools/call":
            with count.open("a") as file:
                file.write(f"{params['name']}\n")
            if params["name"] == "die":
                os._exit(3)
            return ANSWERS[params["name"]]
        case _:
            return {"error": {"code": -32601, "message": "unknown"}}


if __name__ == "__main__":
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            said = answer(message, Path(sys.argv[1]))
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}) + "\n")
            sys.stdout.flush()
