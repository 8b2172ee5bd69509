"""A small MCP server over stdio. It needs only the standard library, and so begins in some 30 ms."""

import json
import sys
from typing import Any

TOOL = {
    "name": "add",
    "description": "Add up the digits of a word.",
    "inputSchema": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
}


def added(word: str) -> str:
    """Return what the tool answers."""
    return f"{word} adds up to {sum(int(letter) for letter in word if letter.isdigit())}"


def result_of(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a request; None if the method is not known."""
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "soak", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": added(params["arguments"]["word"])}]}
    return {} if method == "ping" else None


def main() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        result = result_of(request["method"], request.get("params") or {})
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
        if result is None:
            answer["error"] = {"code": -32601, "message": f"Method not found: {request['method']}"}
        else:
            answer["result"] = result
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
