"""The hooks that each agent in a workflow has from the start, including a plain `strands.Agent`."""

from strands import Agent
from strands.hooks import AgentInitializedEvent, BeforeInvocationEvent, BeforeModelCallEvent, HookOrder

from .._upstream.private_api import compresses_before_calls
from .agent_checks import check_sandbox_of
from .conversation_managers import ManagerHooks
from .model import TemporalModel


class AgentHooks(ManagerHooks):
    """The hooks of an agent that is built in a workflow."""

    def __init__(self) -> None:
        super().__init__()
        self.add_callback(AgentInitializedEvent, _check_sandbox)
        # Last, when the user's hooks have decided whether there is a turn.
        self.add_callback(BeforeInvocationEvent, _learn_facts, order=HookOrder.SDK_LAST)


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
