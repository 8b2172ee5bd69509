"""What a `TemporalAgent` refuses in `plugins=`: a guard that would let everything through."""

from typing import Any, cast

from .._errors import AgentTypeError


def check_plugins(plugins: object) -> None:
    """Refuse Strands' `LLMSteeringHandler`, and what is derived from it and keeps its judge.

    It calls its judge synchronously, which a workflow cannot.

    Raises:
        AgentTypeError: If one is among the plugins.
    """
    if not isinstance(plugins, (list, tuple)) or not plugins:
        return
    from strands.vended_plugins.steering import LLMSteeringHandler  # most agents have none

    for plugin in cast("list[Any]", plugins):
        if not isinstance(plugin, LLMSteeringHandler):
            continue
        if type(plugin).steer_before_tool is LLMSteeringHandler.steer_before_tool:  # it keeps the judge
            raise AgentTypeError(
                f"TemporalAgent(plugins=...): {type(plugin).__name__} calls its judge synchronously, which "
                "a workflow cannot. Give TemporalLLMSteeringHandler from strands_temporal.workflow, with the "
                "same arguments: its judge's call is recorded in history"
            )
