"""The part of this package in each `Conversation`: the workflow's stream, over continue-as-new."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter
from strands import Agent
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamState
from typing_extensions import override

from strands_temporal import AgentCarry
from strands_temporal.extension import ConversationPart, reading

from ._life import life
from ._limits import PUBLISH_SIGNAL
from ._requests import RequestLog
from ._workflow import StreamHooks

KEPT_BYTES = 128 * 1024
"""Bytes of the stream that the next run gets. Readers that are further behind get a `StreamGap`."""

_LIFE = "life"
"""Key of what the next run must know of the conversation, beside the fields of the stream's state."""

_REQUESTS = "requests"
"""Key of the latest requests in the carry, beside the stream's own state."""

_STATE = TypeAdapter(WorkflowStreamState)


class StreamPart(ConversationPart):
    """Makes the workflow's stream. Publishes to it the agent's life, and which request each turn is of.

    If the workflow made a `WorkflowStream` before, that one stays, and this part does nothing.

    Args:
        agent: The conversation's agent.
        carried: What `carry` returned in the previous run.
        make: Not used.
    """

    def __init__(self, agent: Agent, carried: Any = None, make: Callable[[Any], Any] | None = None) -> None:
        super().__init__(agent, carried, make)
        self._stream: WorkflowStream | None = None
        self._requests: RequestLog | None = None
        if workflow.get_signal_handler(PUBLISH_SIGNAL) is not None:
            return
        with reading("The stream in the conversation's carry"):
            requests = [] if carried is None else list[Any](carried.pop(_REQUESTS, ()))
            state = None if carried is None else _STATE.validate_python(carried)
            life().restore((carried or {}).get(_LIFE))
        self._stream = WorkflowStream(state)
        agent.hooks.add_hook(StreamHooks(self._stream))
        life().shows(agent)
        self._requests = RequestLog(self._stream, agent, requests)

    @override
    def turn_started(self, request: str, turn: int, message: Any) -> None:
        """See base class."""
        if self._requests is not None and not life().is_former:
            self._requests.started(request, turn, message)

    @override
    def turn_ended(self, turn: int, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """See base class."""
        if self._requests is not None and not life().is_former:
            self._requests.ended(turn, answers)

    @override
    def detach(self) -> None:
        """See base class."""
        if self._stream is not None:
            self._stream.detach_pollers()

    @override
    def carry(self, *agent_carries: AgentCarry) -> Any:
        """See base class."""
        if self._stream is None or self._requests is None:
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
        for one in life().publishers & state.publishers.keys():
            del state.publishers[one]
        carried: dict[str, Any] = _STATE.dump_python(state, mode="json")
        if life().is_former:
            return carried
        return {**carried, _LIFE: life().carry(), _REQUESTS: self._requests.carry()}
