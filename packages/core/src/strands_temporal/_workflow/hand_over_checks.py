"""What a hand-over inside a turn checks: its arguments, and whether a step ends the turn by itself."""

from strands import Agent
from strands.hooks import AfterToolsEvent
from strands.types.agent import ConcurrentInvocationMode

from .._errors import AgentTypeError, AgentValueError
from .._upstream.private_api import pauses_at_checkpoints
from .agent import TemporalAgent
from .agent_hooks import AgentHooks


def checked_hooks(agent: object, wanted: object, check: object) -> AgentHooks:
    """Return the hooks of an agent whose turns can be handed over.

    Raises:
        AgentTypeError: If a value has a wrong type.
        AgentValueError: If the agent's turns cannot be handed over.
    """
    for name, function in (("wanted", wanted), ("check", check)):
        if not callable(function) and not (name == "check" and function is None):
            raise AgentTypeError(
                f"TurnHandOver({name}=...): {function!r} cannot be called. Give a function, for example "
                "workflow.info().is_continue_as_new_suggested, without calling it"
            )
    if not isinstance(agent, TemporalAgent):
        raise AgentTypeError(
            f"TurnHandOver(agent, ...): a {type(agent).__name__} cannot be carried into another run. Build a "
            "TemporalAgent"
        )
    hooks = agent.hooks
    if not isinstance(hooks, AgentHooks):
        raise AgentTypeError(
            f"TurnHandOver(agent, ...): {agent.name!r} was built outside of the workflow. Build it in the "
            "workflow, with TemporalAgent(carry=...)"
        )
    if hooks.withholds is not None:
        raise AgentValueError(
            f"TurnHandOver(agent, ...): {agent.name!r} has a TurnHandOver already. Keep that one"
        )
    if pauses_at_checkpoints(agent):
        raise AgentValueError(
            f"TurnHandOver(agent, ...): {agent.name!r} has checkpointing=True, and so it pauses between "
            "the steps of its turns itself. Use one of the two"
        )
    if agent.concurrent_invocation_mode is not ConcurrentInvocationMode.THROW:
        raise AgentValueError(
            f"TurnHandOver(agent, ...): {agent.name!r} may run several turns at once "
            f"(concurrent_invocation_mode={agent.concurrent_invocation_mode.value!r}). Use one that runs "
            "one at a time"
        )
    return hooks


def gave_structured_output(agent: Agent, event: AfterToolsEvent) -> bool:
    """Tell whether this step gave the turn its structured output, with which Strands ends the turn."""
    names = {
        name
        for name, tool in agent.tool_registry.dynamic_tools.items()
        if tool.tool_type == "structured_output"
    }
    if not names:
        return False
    done = {
        block["toolResult"]["toolUseId"]
        for block in event.message["content"]
        if "toolResult" in block and block["toolResult"]["status"] == "success"
    }
    asking = agent.messages[-1]["content"] if agent.messages else []
    return any(
        block["toolUse"]["name"] in names and block["toolUse"]["toolUseId"] in done
        for block in asking
        if "toolUse" in block
    )
