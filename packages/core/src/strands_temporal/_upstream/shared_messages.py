"""Spares the copies of a conversation that nobody could tell from the original.

Strands copies all messages twice for each model call (1.62): event_loop.py:602, where middleware gets them,
and streaming.py:50, where it replaces blank texts and invalid names of tools. Without middleware nothing sees
the first copy. A `TemporalModel` changes nothing in the second one. So it can get the same objects at each
call, as long as the agent's messages stay the same, and Strands looks only at the others.
"""

from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from strands import Agent
from strands.middleware import InvokeModelStage
from strands.models import Model
from temporalio import workflow

from .run_local import run_local
from .stand_in import StandIn

_LOOP = "strands.event_loop.event_loop"

Share = Callable[[list[Any]], tuple[list[Any], list[int]]]
"""Returns the messages for a model that changes none of them: what the latest call sent for those that are
the same, and the others as they are, with the places of these."""

_readers: WeakSet[Any] = WeakSet()


class _Shared(NamedTuple):
    model: Model
    share: Share


class SharedMessages:
    """The agents of a run whose model changes no message.

    `run_local(SharedMessages)` returns the object of this run.
    """

    def __init__(self) -> None:
        self._agents: WeakKeyDictionary[Agent, _Shared] = WeakKeyDictionary()
        self._messages: list[Any] | None = None  # those of the call that begins, if they may be shared
        self._share: Share | None = None

    def offer(self, agent: Agent, model: Model, share: Share) -> None:
        """Share messages from now on, as long as the agent has this model."""
        known = self._agents.get(agent)
        if known is None or known.model is not model:
            self._agents[agent] = _Shared(model, share)

    def instead_of_copy(self, value: list[Any], frame: FrameType) -> list[Any] | None:
        """Return what Strands may have instead of a copy of `value`; None if it must have the copy.

        Args:
            value: The list to copy.
            frame: The frame that asks for the copy.
        """
        if frame.f_globals.get("__name__") != _LOOP or not self._agents:
            return None
        names = frame.f_locals
        agent = names.get("agent")
        if not isinstance(agent, Agent):
            return None
        if value is agent.messages:  # the first copy of a call
            self._messages = self._share = None
            known = self._agents.get(agent)
            if known is None or known.model is not agent.model or _has_middleware(agent):
                return None
            self._messages, self._share = value, known.share
            return value
        unchanged = self._messages is agent.messages and value is names.get("tool_specs")
        return value if unchanged else None

    def take_share(self, messages: list[Any]) -> Share | None:
        """Return how to share the messages of the call that begins; None if they may not be shared."""
        share = self._share if messages is self._messages else None
        self._messages = self._share = None
        return share


class WorkflowNormalizing(StandIn):
    """Stands in for `_normalize_messages`, which copies all messages and changes those that it must.

    What an earlier call sent has been changed already.
    """

    def __call__(self, messages: list[Any]) -> list[Any]:
        share = run_local(SharedMessages).take_share(messages) if workflow.in_workflow() else None
        if share is None:
            return self._original(messages)
        shared, others = share(messages)
        normalized = self._original([shared[place] for place in others])
        for place, message in zip(others, normalized, strict=True):
            shared[place] = message
        return shared


def only_reads(agent: Agent) -> None:
    """Note that the middleware that was added to an agent last changes and keeps no message."""
    _readers.add(_handlers(agent)[-1].handler)


def _has_middleware(agent: Agent) -> bool:
    return any(each.handler not in _readers for each in _handlers(agent))


def _handlers(agent: Agent) -> list[Any]:
    """Return the middleware of an agent's model calls. The list is private (1.62: _registry.py:36)."""
    registry: Any = getattr(agent, "_middleware_registry")  # noqa: B009  # private
    return getattr(registry, "_handlers").get(InvokeModelStage, [])  # noqa: B009
