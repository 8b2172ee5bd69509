"""A workflow whose agent has tools hosted on its worker, by their names."""

from typing import Any

from strands.hooks import AfterToolCallEvent
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.activity import encode
from strands_temporal.workflow import TemporalTools


@workflow.defn
class ToolsWorkflow:
    """Runs an agent with hosted tools; answers each interrupt with "yes"."""

    @workflow.run
    async def run(self, names: list[str], state: dict[str, Any] | None = None) -> dict[str, Any]:
        failed: list[str] = []

        def remember(event: AfterToolCallEvent) -> None:
            if event.exception is not None:
                failed.append(type(event.exception).__name__)

        agent = TemporalAgent("m", tools=[TemporalTools(*names)], state=state, hooks=[remember])
        result = await agent.invoke_async("go", invocation_state={"user": "Ada"})
        while result.stop_reason == "interrupt":
            answers: Any = [
                {"interruptResponse": {"interruptId": interrupt.id, "response": f"yes, {interrupt.reason}"}}
                for interrupt in result.interrupts or ()
            ]
            result = await agent.invoke_async(answers)
        return {
            "messages": encode(agent.messages),
            "state": agent.state.get(),
            "tools": agent.tool_names,
            "failed": failed,
        }
