"""Tells plugins which agents begin a turn in this run, including those that a tool builds while it runs."""

from collections.abc import Callable

from strands import Agent

from .._upstream.run_local import run_local


class _Observers(list[Callable[[Agent], None]]):
    """The observers of one run."""


def observe_agents(observer: Callable[[Agent], None]) -> None:
    """Call `observer` with each agent that begins a turn in this run of the workflow, from now on.

    The call comes when the turn begins. There is one exception: in the first turn of a plain `strands.Agent`
    with a `TemporalModel`, the call comes at the agent's first model call. Both are before the agent runs a
    tool. The caller's context variables are set. So a plugin finds the agents that tools build, and can add
    hooks and middleware to them.

    Args:
        observer: Function of the workflow. It must not raise, and must be deterministic.

    Raises:
        RuntimeError: If no event loop runs.
    """
    run_local(_Observers).append(observer)


def agent_begins(agent: Agent) -> None:
    """Call the observers of this run."""
    for observer in run_local(_Observers):
        observer(agent)
