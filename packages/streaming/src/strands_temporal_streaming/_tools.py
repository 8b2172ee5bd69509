"""Publishes that tools begin to run, and the values that they yield on the way."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, cast

from strands import Agent
from strands.middleware import ExecuteToolContext
from temporalio import workflow

from strands_temporal.extension import TOOL_PROGRESS, run_local

from ._cut import as_json, is_json
from ._decisions import publish_allowed
from ._life import Life
from ._life_types import ToolProgress, ToolStarted
from ._places import HERE, Place

_OF_AGENTS = frozenset({"init_event_loop", "start", "start_event_loop"})
"""Keys of the events with which an agent begins. A tool may yield them before its agent is known."""

Follow = Callable[[Agent], None]


def run_tool(follow: Follow) -> Callable[[ExecuteToolContext, Any], AsyncGenerator[Any, None]]:
    """Return the middleware.

    Args:
        follow: Is called with the agent that is a tool, before the tool runs.
    """

    def run(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
        return _run_tool(context, next_fn, follow)

    return run


async def _run_tool(context: ExecuteToolContext, next_fn: Any, follow: Follow) -> AsyncGenerator[Any, None]:
    """Run a tool as middleware, and publish its begin and its progress.

    While the tool itself runs, the current place is the tool's. So an agent that begins then is a sub-agent.
    """
    agent = cast("Agent", context.agent)
    run = None
    if workflow.in_workflow() and (current := run_local(Life)).is_attached:
        run = current.runs.get(agent)
    if run is None:
        async for event in next_fn(context):
            yield event
        return
    current, use = run_local(Life), context.tool_use
    if isinstance(inner_agent := getattr(context.tool, "agent", None), Agent) and not current.is_former:
        follow(inner_agent)
    name, id_ = str(use["name"]), str(use.get("toolUseId"))
    publish_allowed(current, agent, id_, run.place)
    current.publish(ToolStarted(name=name, tool_use_id=id_), run.place, agent.name)
    inner: Place | None = run.place.of_tool(id_)
    place = run.place
    about = {"topic": place.topic, "agent": agent.name, "path": place.path, "turn": current.state.turn}
    iterator = aiter(next_fn(context))
    while True:
        here, told = HERE.set(inner), TOOL_PROGRESS.set(about)
        try:
            event = await anext(iterator)
        except StopAsyncIteration:
            return
        finally:
            inner = HERE.get()
            # A tool of an evicted run is closed when Python collects it, perhaps in another run's context.
            with contextlib.suppress(ValueError):
                HERE.reset(here)
                TOOL_PROGRESS.reset(told)
        progress = _progress(event)
        # Sub-agents publish their own events, and the tool yields those as well.
        if progress is not None and not current.has_agents_in(run.place, id_):
            data, cut = as_json(progress)
            event_ = ToolProgress(name=name, tool_use_id=id_, data=data, truncated=cut)
            current.publish(event_, run.place, agent.name)
        yield event


def _progress(event: Any) -> Any:
    """Return the value in an event of a tool's stream; None if it is none, or not JSON."""
    if not isinstance(event, Mapping):
        return None
    streamed = cast("Mapping[str, Any]", event).get("tool_stream_event")
    data: Any = cast("Any", streamed).get("data") if isinstance(streamed, Mapping) else None
    if isinstance(data, Mapping) and cast("Mapping[str, Any]", data).keys() & _OF_AGENTS:
        return None
    return data if is_json(data) else None
