"""Makes a conversation's agent with the user's function."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from strands import Agent
from temporalio.exceptions import TemporalError
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from .._errors import AgentTypeError, AgentValueError
from .._wire.failure_sizes import text_of
from .agent import TemporalAgent
from .failures import construction_error

MakeAgent = Callable[..., TemporalAgent]


def make_agent_of(owner: str, make_agent: MakeAgent, arguments: Mapping[str, Any]) -> TemporalAgent:
    """Call the user's function and return its agent.

    Args:
        owner: The user's code that has the function, for messages: "Conversation".
        make_agent: The function.
        arguments: Its keyword arguments, from the start.

    Raises:
        AgentTypeError: If it is no function, does not take the arguments, or returns no agent.
        AgentValueError: What it raised itself, or that it does I/O, as an error that ends the workflow.
    """
    check_maker(owner, make_agent)
    _check_arguments(owner, make_agent, arguments)
    try:
        agent: Any = make_agent(**arguments)
    except RestrictedWorkflowAccessError as error:
        raise AgentValueError(
            f"{owner}: {_name(make_agent)} does what the workflow sandbox refuses: {text_of(error)} It "
            "runs in the workflow: do I/O in an activity, or in a factory of StrandsPlugin"
        ) from error
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error
    if inspect.iscoroutine(agent):
        agent.close()
        raise AgentTypeError(
            f"{owner}: {_name(make_agent)} is async. Write a plain function: def, not async def"
        )
    if not isinstance(agent, TemporalAgent):
        raise AgentTypeError(
            f"{owner}: {_name(make_agent)} returned {agent!r}, not a TemporalAgent. Let it return "
            "TemporalAgent(...)"
        )
    return agent


def check_maker(owner: str, make_agent: object) -> None:
    """Check that something may be a function that makes an agent.

    Raises:
        AgentTypeError: If it is not.
    """
    if isinstance(make_agent, Agent) or not callable(make_agent):
        raise AgentTypeError(
            f"{owner}: {make_agent!r} is not a function that makes an agent. Each conversation has an agent "
            "of its own. Write def make_agent() -> TemporalAgent: return TemporalAgent(...)"
        )


def _check_arguments(owner: str, make_agent: MakeAgent, arguments: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(make_agent)
    except (TypeError, ValueError):  # a callable that Python knows nothing about
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        given = ", ".join(arguments) or "none"
        raise AgentTypeError(
            f"{owner}: {_name(make_agent)}{signature} does not take the arguments of the start ({given}): "
            f"{error}. Give them in ConversationStart(arguments={{...}}), or give each parameter a default. "
            "`strands-temporal chat` gives no arguments"
        ) from None


def _name(make_agent: MakeAgent) -> str:
    return getattr(make_agent, "__qualname__", repr(make_agent))
