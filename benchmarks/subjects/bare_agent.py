"""Strands' own loop in a plain workflow, with the floor's activities: the least that an agent there costs.

Nothing of it is durable or safe: the model gets only the new message, as the floor's does, no error, limit,
cancellation or event is looked after, and ids and times differ in a replay.
"""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from typing_extensions import override

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from strands import Agent, tool
    from strands.agent.conversation_manager import NullConversationManager
    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent

    from benchmarks.backend import StandIn, events, last_of
    from benchmarks.load import Load
    from benchmarks.subjects.conversation import Idles, talk

TIMEOUT = timedelta(seconds=60)


def plugins(model: Any) -> list[Any]:
    """Return nothing: there is no plugin."""
    return []


def runner() -> SandboxedWorkflowRunner:
    """Return a runner that imports nothing again: Strands imports modules while it runs."""
    return SandboxedWorkflowRunner(SandboxRestrictions.default.with_passthrough_all_modules())


class ActivityModel(StandIn):
    """A model whose call is the floor's activity."""

    @override
    async def stream(
        self, messages: Messages, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        """Have the activity answer the last message."""
        reply = await workflow.execute_activity("answer", last_of(messages), start_to_close_timeout=TIMEOUT)
        for event in events(reply):
            yield event


@tool
async def look_up(key: str, size: int) -> str:
    """Look something up."""
    return await workflow.execute_activity("look_up", args=[key, size], start_to_close_timeout=TIMEOUT)


@workflow.defn
class Conversation(Idles):
    """A conversation of one agent."""

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Take the turns; return the beginning of the last answer."""
        manager: dict[str, Any] = {} if load.window else {"conversation_manager": NullConversationManager()}
        tools: list[Any] = [look_up] if load.calls else []
        agent = Agent(ActivityModel(), messages=before, tools=tools, callback_handler=None, **manager)
        return await self.rest(load, await talk(agent, load))
