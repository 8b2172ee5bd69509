"""An endless chat. When its history grows long, it continues in a new run, and so does the conversation."""

from datetime import timedelta

from temporalio import workflow

from strands_temporal import ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.workflow import Conversation

TASK_QUEUE = "strands-continue-as-new"
MODEL = "chosen"


def make_agent() -> TemporalAgent:
    """Return the agent. Each run of the workflow makes it anew, and it then gets the conversation so far."""
    return TemporalAgent(
        model=MODEL,
        system_prompt="Answer in one short sentence.",
        start_to_close_timeout=timedelta(seconds=60),
        callback_handler=None,
    )


@workflow.defn
class ChatWorkflow:
    """A conversation that also continues in a new run when a client asks for it."""

    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self._moves_on = False
        self._chat = Conversation(start, make_agent, hand_over_when=self._hands_over)

    def _hands_over(self) -> bool:
        return self._moves_on or workflow.info().is_continue_as_new_suggested()  # the latter is the default

    @workflow.signal
    def move_on(self) -> None:
        """Continue in a new run now, without waiting for a long history."""
        self._moves_on = True

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        """Chat until a client closes the conversation."""
        return await self._chat.run()
