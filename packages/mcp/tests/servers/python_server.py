"""An MCP server for the tests, on either major version of `mcp`: `python python_server.py [http PORT]`.

Or a module of the test process, with a `server` of its own each time that it is loaded (`clients.py`).
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel

try:
    import mcp.server.mcpserver as mcp_server
except ModuleNotFoundError:  # mcp 1
    import mcp.server.fastmcp as mcp_server

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
PORT = int(sys.argv[2]) if __name__ == "__main__" and len(sys.argv) > 2 else 0
API: Any = mcp_server  # `Any`: a type checker knows only the installed version
V2 = hasattr(API, "MCPServer")
ADDRESS: dict[str, Any] = {"host": "127.0.0.1", "port": PORT} if PORT else {}
server: Any = API.MCPServer("tests") if V2 else API.FastMCP("tests", **ADDRESS)
inside: list[str] = []
all_here = asyncio.Event()


class Answer(BaseModel):
    """What a user is asked for."""

    name: str


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def fail(message: str) -> str:
    """Report an error of the tool itself."""
    raise ValueError(message)


def picture() -> Any:
    """Show one pixel."""
    return API.Image(data=PIXEL, format="png")


picture.__annotations__["return"] = API.Image
server.add_tool(picture)


def who(question: str) -> Any:
    """Ask the user."""
    return API.Elicit(question, Answer)


async def ask_1(question: str, ctx: Any) -> str:
    """Ask the user for a name, as a server of mcp 1 does it: in the middle of the call."""
    answer: Any = await ctx.elicit(question, Answer)
    return f"the user is {answer.data.name}"


async def ask_2(question: str, answer: Any) -> str:
    """Ask the user for a name, as a server of mcp 2 does it: it says beforehand what it asks for."""
    return f"the user is {answer.name}"


if V2:
    who.__annotations__["return"] = API.Elicit[Answer]
    ask_2.__annotations__["answer"] = Annotated[Answer, API.Resolve(who)]
    server.add_tool(ask_2, name="ask")
else:
    ask_1.__annotations__["ctx"] = API.Context
    server.add_tool(ask_1, name="ask")


@server.tool()
def declined(count: str) -> str:
    """Count the call, and answer by an error of the protocol (which a server of mcp 1 makes the tool's)."""
    import mcp.shared.exceptions as exceptions
    import mcp.types

    with Path(count).open("a") as file:
        file.write("declined\n")
    api: Any = exceptions
    if V2:
        raise api.MCPError(code=-32000, message="card declined")
    raise api.McpError(mcp.types.ErrorData(code=-32000, message="card declined"))


@server.tool()
def authorized() -> str:
    """Want the user to visit a page first."""
    from mcp.shared.exceptions import UrlElicitationRequiredError
    from mcp.types import ElicitRequestURLParams

    page: Any = {"message": "Sign in", "url": "https://example.com/sign-in", "elicitationId": "1"}
    raise UrlElicitationRequiredError([ElicitRequestURLParams(**page)])


@server.tool()
def grow_large() -> str:
    """Offer one more tool, whose description is longer than Temporal takes."""

    def large() -> str:
        return ""

    server.add_tool(large, name="large", description="x" * 3 * 1024 * 1024)
    return "large is there"


@server.tool()
def big(kilobytes: int) -> str:
    """Return a long text."""
    return "x" * 1024 * kilobytes


@server.tool()
def measure(text: str) -> str:
    """Return how long a text is."""
    return str(len(text))


@server.tool()
def process() -> int:
    """Return the server's process id."""
    return os.getpid()


@server.tool()
async def meet(name: str, others: int) -> str:
    """Return when as many calls are here at once."""
    inside.append(name)
    if len(inside) == others:
        all_here.set()
    await all_here.wait()
    return f"{os.getpid()}: {', '.join(sorted(inside))}"


@server.tool()
def die_once(marker: str) -> str:
    """End the server's process in the middle of the call, the first time."""
    path = Path(marker)
    if not path.exists():
        path.write_text(str(os.getpid()))
        os._exit(3)
    return f"died as {path.read_text()}, answers as {os.getpid()}"


@server.tool()
async def hang_once(marker: str) -> str:
    """Never return, the first time."""
    hung = _first_process(Path(marker))
    if hung == os.getpid():
        await asyncio.Event().wait()
    return f"hung as {hung}, answers as {os.getpid()}"


def _first_process(marker: Path) -> int:
    """Return the id of the first process that asked."""
    if not marker.exists():
        marker.write_text(str(os.getpid()))
    return int(marker.read_text())


@server.tool()
async def hang(marker: str) -> str:
    """Never return."""
    Path(marker).write_text(str(os.getpid()))  # noqa: ASYNC240  # a few bytes, and it hangs anyway
    await asyncio.Event().wait()
    return "never"


@server.tool()
def grow(name: str) -> str:
    """Offer one more tool from now on."""

    def grown() -> str:
        """A tool that was not there when the worker started."""
        return f"{name} was here"

    server.add_tool(grown, name=name)
    return f"{name} is there"


if __name__ == "__main__":
    if PORT:
        server.run("streamable-http", **(ADDRESS if V2 else {}))
    else:
        server.run("stdio")
