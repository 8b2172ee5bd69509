"""The tools of an MCP server in an agent: how they are called."""

from typing import TYPE_CHECKING, Any, cast

from strands.types.events import ToolResultEvent
from strands.types.tools import ToolGenerator, ToolResult, ToolSpec, ToolUse
from temporalio.exceptions import FailureError
from typing_extensions import override

from strands_temporal.activity import decode
from strands_temporal.workflow import AgentCancelledError, RemoteTool

from ._types import ListedTool

if TYPE_CHECKING:
    from ._workflow import TemporalMCPClient

_FAILED = "Tool execution failed: "  # Strands' words for the model where a call fails outside the tool


class MCPTool(RemoteTool):
    """One tool of an MCP server, in the workflow; its calls are activities.

    Args:
        client: The handle of its server.
        listed: The tool as the server's client offers it.
    """

    def __init__(self, client: "TemporalMCPClient", listed: ListedTool) -> None:
        super().__init__(client, cast("ToolSpec", decode(listed.spec)))
        self._client = client
        self._name = listed.name

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Call the tool and yield its result.

        A tool that reports an error yields it, for the model. So does a call that failed outside the tool, in
        Strands' words, with its exception for `AfterToolCallEvent`.
        """
        try:
            signal = getattr(invocation_state.get("agent"), "cancel_signal", None)
            yield ToolResultEvent(await self._client.call(self._name, tool_use, signal))
        except AgentCancelledError:
            yield ToolResultEvent(_cancelled(tool_use))
        except Exception as error:  # noqa: BLE001  # as Strands' MCP client does: the model gets to know
            result: ToolResult = {
                "toolUseId": tool_use["toolUseId"],
                "status": "error",
                "content": [{"text": _failed(error)}],
            }
            yield ToolResultEvent(result, exception=error)


def _cancelled(tool_use: ToolUse) -> ToolResult:
    """Return what Strands' MCP client gives for a call that the agent's cancel signal ended."""
    result = {
        "toolUseId": tool_use["toolUseId"],
        "status": "error",
        "content": [{"text": "Tool execution cancelled locally; remote execution may have continued"}],
        "cancelled": True,
    }
    return cast("ToolResult", result)


def _failed(error: Exception) -> str:
    text = error.message if isinstance(error, FailureError) else str(error)
    return text if text.startswith(_FAILED) else f"{_FAILED}{text}"
