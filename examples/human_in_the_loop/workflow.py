"""A hook pauses the agent before it deletes a file; a signal brings the answer."""

from datetime import timedelta
from typing import Any

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # its inputSchema is a bare dict
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.types.interrupt import InterruptResponseContent
from temporalio import workflow

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-human-in-the-loop"
MODEL = "model"


@tool
def delete_file(path: str) -> str:
    """Delete a file.

    Args:
        path: The file's path.
    """
    return f"deleted {path}"  # an example deletes nothing


class ApprovalHook(HookProvider):
    """Asks before each deletion of a file. Runs in the workflow, so it is deterministic."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Ask before each tool call."""
        registry.add_callback(BeforeToolCallEvent, self._ask)

    def _ask(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == delete_file.tool_name:
            path = event.tool_use["input"]["path"]
            if event.interrupt("approval", reason=f"Delete {path}?") != "approve":
                event.cancel_tool = "A person said no."


@workflow.defn
class HumanInTheLoopWorkflow:
    """Pauses without limit while the agent waits for an answer."""

    def __init__(self) -> None:
        self._agent = TemporalAgent(
            model=MODEL,
            tools=[delete_file],
            hooks=[ApprovalHook()],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=60),
        )
        self._question: str | None = None
        self._answer: str | None = None

    @workflow.signal
    def approve(self, answer: str) -> None:
        """Answer the question: "approve", or anything else for a no."""
        self._answer = answer

    @workflow.query
    def pending_approval(self) -> str | None:
        """Return the open question."""
        return self._question

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Run the agent and give it each answer."""
        result = await self._agent.invoke_async(prompt)
        while result.stop_reason == "interrupt":
            interrupts = result.interrupts or []
            self._question = " ".join(str(interrupt.reason) for interrupt in interrupts)
            await workflow.wait_condition(lambda: self._answer is not None)
            responses: list[InterruptResponseContent] = [
                {"interruptResponse": {"interruptId": interrupt.id, "response": self._answer}}
                for interrupt in interrupts
            ]
            self._question = self._answer = None
            result = await self._agent.invoke_async(responses)
        return str(result).strip()
