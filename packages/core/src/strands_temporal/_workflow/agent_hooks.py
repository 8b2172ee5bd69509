"""The hooks that each agent in a workflow has from the start, including a plain `strands.Agent`."""

from collections.abc import Callable
from typing import TypeVar

from strands import Agent
from strands.hooks import (
    AgentInitializedEvent,
    BaseHookEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    HookOrder,
)
from strands.interrupt import Interrupt
from typing_extensions import override

from .._upstream.private_api import compresses_before_calls
from .agent_checks import check_sandbox_of
from .conversation_managers import ManagerHooks
from .model import TemporalModel

TEvent = TypeVar("TEvent", bound=BaseHookEvent)


class AgentHooks(ManagerHooks):
    """The hooks of an agent that is built in a workflow.

    Attributes:
        withholds: Is called with each event, and tells whether to keep it from the hooks (`hand_over.py`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.withholds: Callable[[BaseHookEvent], bool] | None = None
        self.add_callback(AgentInitializedEvent, _check_sandbox)
        # Last, when the user's hooks have decided whether there is a turn.
        self.add_callback(BeforeInvocationEvent, _learn_facts, order=HookOrder.SDK_LAST)

    @override
    async def invoke_callbacks_async(self, event: TEvent) -> tuple[TEvent, list[Interrupt]]:
        """See base class."""
        if self.withholds is not None and self.withholds(event):
            return event, []
        return await super().invoke_callbacks_async(event)


def _check_sandbox(event: AgentInitializedEvent) -> None:
    """Refuse a plain agent when it is built. A `TemporalAgent` has checked its sandbox before."""
    check_sandbox_of(event.agent)


async def _learn_facts(event: BeforeInvocationEvent) -> None:
    """Learn a model's facts before its first call, if the agent begins with a conversation."""
    agent = event.agent
    begins_with_messages = bool(agent.messages) or len(event.messages or ()) > 1
    if not begins_with_messages or event.cancel or not isinstance(agent.model, TemporalModel):
        return
    if compresses_before_calls(agent) or _users_hook_looks(agent):
        await agent.model.learn_facts()


def _users_hook_looks(agent: Agent) -> bool:
    """Tell whether a user's hook runs before a model call. Such a hook may read the limit and the count."""
    callbacks = agent.hooks.get_callbacks_for(BeforeModelCallEvent(agent=agent))
    packages = [str(getattr(callback, "__module__", "")).partition(".")[0] for callback in callbacks]
    return any(package != "strands" and not package.startswith("strands_temporal") for package in packages)
