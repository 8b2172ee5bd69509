"""The part of this package in each `Conversation`: the workflow's stream, over continue-as-new."""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from strands import Agent
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamState
from typing_extensions import override

from strands_temporal import AgentCarry
from strands_temporal.extension import ConversationPart

from ._life import life
from ._limits import PUBLISH_SIGNAL
from ._workflow import StreamHooks

KEPT_BYTES = 128 * 1024
"""Bytes of the stream that the next run gets. Readers that are further behind get a `StreamGap`."""

_LIFE = "life"
"""Key of what the next run must know of the conversation, beside the fields of the stream's state."""

_STATE = TypeAdapter(WorkflowStreamState)


class StreamPart(ConversationPart):
    """Makes the workflow's stream, and publishes the agent's life to it.

    If the workflow made a `WorkflowStream` before, that one stays, and this part does nothing.

    Args:
        agent: The conversation's agent.
        carried: What `carry` returned in the previous run.
        make: Not used.
    """

    def __init__(self, agent: Agent, carried: Any = None, make: Callable[[Any], Any] | None = None) -> None:
        super().__init__(agent, carried, make)
        self._stream: WorkflowStream | None = None
        if workflow.get_signal_handler(PUBLISH_SIGNAL) is not None:
            return
        self._stream = WorkflowStream(None if carried is None else _STATE.validate_python(carried))
        life().restore((carried or {}).get(_LIFE))
        agent.hooks.add_hook(StreamHooks(self._stream))
        life().shows(agent)

    @override
    def detach(self) -> None:
        """See base class."""
        if self._stream is not None:
            self._stream.detach_pollers()

    @override
    def carry(self, *agent_carries: AgentCarry) -> Any:
        """See base class."""
        if self._stream is None:
            return None
        state = self._stream.get_state()
        kept, room = 0, KEPT_BYTES
        for item in reversed(state.log):
            room -= len(item.data) + len(item.topic)
            if room < 0:
                break
            kept += 1
        dropped = len(state.log) - kept
        state.base_offset += dropped
        del state.log[:dropped]
        carried = _STATE.dump_python(state, mode="json")
        return carried if life().is_former else {**carried, _LIFE: life().carry()}
