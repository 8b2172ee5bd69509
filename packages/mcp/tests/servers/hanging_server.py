"""An MCP server that never answers the named method: `python hanging_server.py tools/list`.

Or `python hanging_server.py after MARKER`: our ordinary server until the file MARKER exists, then silent.
"""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

CAPABLE = {"capabilities": {"tools": {}}, "serverInfo": {"name": "hanging", "version": "1"}}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    if request["method"] != "initialize":
        return {"error": {"code": -32601, "message": "unknown"}}
    return {"result": {"protocolVersion": request["params"]["protocolVersion"], **CAPABLE}}


def serve(deaf_to: str) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and deaf_to not in (request["method"], "everything"):
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer(request)}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] != "after":
        serve(sys.argv[1])
    elif Path(sys.argv[2]).exists():
        serve("everything")
    else:
        sys.argv = sys.argv[:1]
        runpy.run_path(str(Path(__file__).with_name("python_server.py")), run_name="__main__")
