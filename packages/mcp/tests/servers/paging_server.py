"""An MCP server with one tool on each page of its list: `python paging_server.py 3`.

With `again`, the last page names itself once as the page that follows.
"""

import json
import sys
from typing import Any

CAPABLE = {"capabilities": {"tools": {}}, "serverInfo": {"name": "paging", "version": "1"}}


class Pages:
    """The pages, and what the server answers."""

    def __init__(self, count: int, *, again: bool) -> None:
        self.count, self.again = count, again

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        params: dict[str, Any] = request.get("params") or {}
        if request["method"] == "initialize":
            return {"protocolVersion": params["protocolVersion"], **CAPABLE}
        if request["method"] == "tools/call":
            return {"content": [{"type": "text", "text": f"{params['name']} was here"}]}
        page = int(params.get("cursor") or 1)
        listed = {"tools": [{"name": f"tool_{page}", "inputSchema": {"type": "object", "properties": {}}}]}
        if page < self.count:
            return {**listed, "nextCursor": str(page + 1)}
        again, self.again = self.again, False
        return {**listed, "nextCursor": str(page)} if again else listed


if __name__ == "__main__":
    pages = Pages(int(sys.argv[1]), again="again" in sys.argv)
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" in asked:
            said = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": pages.answer(asked)})
            sys.stdout.write(said + "\n")
            sys.stdout.flush()
