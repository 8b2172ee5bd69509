"""The summary of a conversation manager is a model call whose output is not the agent's answer."""

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import read_all
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.types.exceptions import ContextWindowOverflowException
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, fail, say
from strands_temporal_streaming import AgentStream, StreamHooks, TextDelta

pytestmark = [
    pytest.mark.server,
    # temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
    pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning"),
]


@workflow.defn
class SummarizingWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            messages=[
                {"role": "assistant" if number % 2 else "user", "content": [{"text": f"message {number}"}]}
                for number in range(12)
            ],
            conversation_manager=SummarizingConversationManager(),
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        return str(await agent.invoke_async("go"))


async def test_a_summary_is_no_answer(agents: Agents) -> None:
    model = ScriptedModel(
        fail(ContextWindowOverflowException("too long")), say("a summary"), lambda call: say("the answer")
    )
    async with agents(workflows=[SummarizingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(SummarizingWorkflow.run)
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "the answer\n"
        await env.assert_replays(handle)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["the answer"]
    assert "a summary" in str(model.calls[-1].messages)
