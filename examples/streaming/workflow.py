"""An agent whose output clients read while it is generated."""

from datetime import timedelta

from strands.types.exceptions import MaxTokensReachedException
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal_streaming import StreamHooks

TASK_QUEUE = "strands-streaming"
MODEL = "chosen"
TOPIC = "events"


@workflow.defn
class StreamingWorkflow:
    """Answers one prompt. The stream belongs to the workflow and stays readable after its end."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            model=MODEL,
            start_to_close_timeout=timedelta(seconds=90),
            heartbeat_timeout=timedelta(seconds=5),  # the server notices a killed worker within this time
            streaming_topic=TOPIC,
            hooks=[StreamHooks(self.stream)],  # adds tool calls and ends of turns, for AgentStream
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent."""
        try:
            return str(await self.agent.invoke_async(prompt))
        except MaxTokensReachedException:  # as in a plain agent; a small model may not come to an end
            return "".join(block.get("text", "") for block in self.agent.messages[-1]["content"])
