"""Values and functions of Strands and Temporal that have no public name.

Each docstring says where upstream defines the private name. A test in `tests/upstream` fails when that name
changes.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from strands import Agent, ToolContext
from strands.background_tasks._types import is_task_status_terminal
from strands.interrupt import Interrupt
from strands.models._defaults import DEFAULT_CONTEXT_WINDOW_LIMIT
from strands.storage.storage import _NAMESPACED  # pyright: ignore[reportPrivateUsage]
from strands.types._events import ToolInterruptEvent
from strands.types.tools import ToolUse
from temporalio import workflow

from .repeated_calls import intercept_coroutine

ENDS_WAITING = "strands-temporal-ends-waiting"
"""Patch id. In histories of earlier releases an agent that was stopped kept waiting for answers to its
interrupts, and the next prompt raised TypeError."""


def background_task(context: object) -> str | None:
    """Return the id of the background task that a tool call runs as, or None in the foreground.

    The tool's context has the id only in a private attribute (1.62:
    background_tasks/in_process/_manager.py:62).
    """
    return getattr(context, "_task_id", None)


def interrupt_id(context: "ToolContext[Any]", name: str) -> str:
    """Return the id that Strands gives to an interrupt of a tool call (1.62: types/tools.py:218).

    In a background task Strands gives interrupts other ids. This function returns the ordinary id, which the
    task's tool gets from Strands on the worker. `ToolContext.interrupt` is the public way, but it registers a
    question that has no answer.
    """
    return ToolContext._interrupt_id(context, name)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def end_waiting(agent: Agent) -> None:
    """Stop an agent from waiting for answers to its interrupts, if it waits.

    Strands does so only if the tool cycle was not stopped (1.62: event_loop.py:995). The public way is to
    load a snapshot without interrupts, but Strands refuses that while background tasks run.
    """
    state: Any = getattr(agent, "_interrupt_state")  # noqa: B009  # private
    if state.activated and workflow.patched(ENDS_WAITING):
        state.deactivate()


def observe_cancellation(agent: Agent) -> bool:
    """Tell whether an agent's cancel signal is set, or the one that was given to its running call.

    Strands looks at the given one only at its own places (1.62: agent/agent.py:1365). `agent.cancel_signal`
    is the public part of it.
    """
    return agent._observe_cancellation()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def pauses_at_checkpoints(agent: Agent) -> bool:
    """Tell whether an agent was built with `checkpointing=True` (1.62: agent/agent.py:533)."""
    return agent._checkpointing  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def has_running_background_tasks(agent: Agent) -> bool:
    """Tell whether an agent has background tasks that have not ended.

    Strands keeps its tasks in the agent's state, under a private key (1.62:
    background_tasks/_background_tasks.py:37).
    """
    tasks: Any = agent.state.get(BACKGROUND_TASKS) or []
    return any(not is_task_status_terminal(task["status"]) for task in tasks)


BACKGROUND_TASKS = "strands.background_tasks"


def run_before_turns(agent: Agent, step: Callable[[], Awaitable[bool]]) -> None:
    """Await `step` at the start of each turn of an agent. Its result tells whether it has restored the agent.

    Strands looks for answers to interrupts before its first event, when it converts the prompt (1.62:
    agent/agent.py:1506, :1532). If `step` restores the agent's session after that, this function gives the
    answers to the agent.
    """
    convert = agent._convert_prompt_to_messages  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    async def step_and_convert(prompt: Any) -> Any:
        if await step():
            agent._interrupt_state.resume(prompt)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return await convert(prompt)

    agent._convert_prompt_to_messages = step_and_convert  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


async def call_tool(agent: Agent, name: str, arguments: dict[str, Any]) -> Any:
    """Call a tool as `agent.tool.<name>(**arguments)` does, and wait for it.

    Strands' own caller (1.62: tools/_caller.py) makes the call and records it, but would run the coroutine in
    a thread. This function awaits the coroutine instead, under the same lock.
    """
    recorded = arguments.get("record_direct_tool_call")
    locked = agent.record_direct_tool_call if recorded is None else recorded
    # Strands takes the lock to find the tool, and releases it when its coroutine is intercepted. Take it
    # again.
    call = intercept_coroutine(lambda: getattr(agent.tool, name)(**arguments))
    lock: Any = getattr(agent, "_concurrency")  # noqa: B009  # private
    if locked:
        lock.try_acquire_lock()
    try:
        result = await call
        agent.conversation_manager.apply_management(agent)
        return result
    finally:
        if locked:
            lock.release_lock()


ASSUMED_LIMIT = DEFAULT_CONTEXT_WINDOW_LIMIT
"""The context window that Strands assumes for a model of unknown limit (1.62: models/_defaults.py:23)."""


def compresses_before_calls(agent: Agent) -> bool:
    """Tell whether something of Strands may shorten an agent's conversation before a model call.

    Both attributes are private (1.62: conversation_manager.py:100, agent.py:424).
    """
    threshold: object = getattr(agent.conversation_manager, "_compression_threshold", None)
    return threshold is not None or getattr(agent, "_context_manager", None) is not None


def summary_models(agent: Agent) -> list[object]:
    """Return the models that the strategies of an agent's `context_manager=` define for their summaries.

    The attributes are private (1.62: agent.py:424, context_manager.py:97, offload/summarize.py:52).
    """
    strategies: Any = getattr(getattr(agent, "_context_manager", None), "_strategies", ())
    configs = [getattr(strategy, "_config", None) for strategy in strategies]
    models = [cast("dict[str, Any]", config).get("model") for config in configs if isinstance(config, dict)]
    return [model for model in models if model is not None]


def team_runs(team: object) -> bool:
    """Tell whether a graph or a swarm is in a call.

    Strands keeps that private (1.62: multiagent/base.py:226). The status of a graph does not tell it: it
    stays "executing" after a cancellation.
    """
    return getattr(team, "_invocation_start_time", None) is not None


def paused_team_result(team: object, interrupts: list[Interrupt]) -> Any:
    """Rebuild the result that a graph or a swarm returned when it paused. Uses its state.

    Strands builds it from the state in a private method (1.62: multiagent/graph.py:1270, swarm.py:1038).
    """
    return cast("Any", team)._build_result(interrupts)  # noqa: SLF001


def tool_interrupt_event(tool_use: ToolUse, interrupts: list[Interrupt]) -> Any:
    """Return the event with which a tool asks several questions at once (1.62: types/_events.py:296).

    The public way, `ToolContext.interrupt`, asks one question at a time, and chooses its id.
    """
    return ToolInterruptEvent(tool_use, interrupts)


def workflow_definition(target: object) -> tuple[str | None, Callable[..., Any], type] | None:
    """Return a workflow's type, run method and class. Return None if `target` is not a workflow.

    `target` is the workflow's class or its run method. The type is None for a dynamic workflow. temporalio
    has no public look-up (1.35: workflow/_definition.py:223).
    """
    definition: Any = getattr(target, "__temporal_workflow_definition", None)
    if definition is None or (isinstance(target, type) and definition.cls is not target):
        return None
    return definition.name, definition.run_fn, definition.cls


def activity_name(function: Callable[..., Any]) -> str | None:
    """Return the activity type that `@activity.defn` gave `function`, or None if it is not an activity.

    temporalio has no public look-up. `execute_activity` refuses a function that is not an activity, but only
    when the model calls the tool.
    """
    definition: Any = getattr(function, "__temporal_activity_definition", None)
    if definition is None:
        return None
    return definition.name or "dynamic"


def note_mcp_errors(client: Any, note: Callable[[Exception], None]) -> None:
    """Call `note` with each exception that Strands' MCP client turns into a failed result.

    Strands keeps only the exception's text (1.62: mcp_client.py:1385). The text does not tell whether the
    server returned an error or the connection was lost. `note` runs on the worker, in the task that made the
    call.
    """
    result_of = client._handle_tool_execution_error  # noqa: SLF001

    def noting(tool_use_id: str, exception: Exception) -> Any:
        note(exception)
        return result_of(tool_use_id, exception)

    client._handle_tool_execution_error = noting  # noqa: SLF001


def mcp_connection_end(client: Any) -> Callable[[], bool]:
    """Return a function that tells whether the last connection of Strands' MCP client has ended by itself.

    It asks the stream that the transport of a connection reads into: over stdio, it has no writer any more
    once the server's process is gone. A transport whose stream does not tell counts as connected. Strands
    notices an end only by the next call, and has no public way to see the stream (1.62: mcp_client.py:404).
    Apply it once to a client, before the client starts.
    """
    connect = client._transport_callable  # noqa: SLF001
    streams: list[Any] = []

    @asynccontextmanager
    async def noting() -> AsyncGenerator[Any]:
        async with connect() as transport:
            streams[:] = [transport[0]]
            yield transport

    def ended() -> bool:
        statistics = getattr(streams[0], "statistics", None) if streams else None
        return statistics is not None and statistics().open_send_streams == 0

    client._transport_callable = noting  # noqa: SLF001
    return ended


def enforces_structured_output(model: object) -> bool:
    """Tell whether a provider enforces structured output itself (1.62: models/model.py:196).

    Runs on the worker.
    """
    return getattr(model, "_supports_structured_output", False) is True


class StructuredOutputSupport:
    """Base of a `Model` that reports whether the provider behind it enforces structured output.

    Strands' agent loop reads a private attribute for that (event_loop.py:742).
    """

    @property
    def enforces_structured_output(self) -> bool:
        """Whether the provider behind this model enforces structured output itself."""
        return False

    @property
    def _supports_structured_output(self) -> bool:  # replaces Model's class attribute
        return self.enforces_structured_output


def mark_namespaced(storage: Any) -> None:
    """Mark a storage as a namespaced view. Strands' classes then do not add a prefix of their own.

    Strands marks its own views by a private attribute (1.62: storage/storage.py:16).
    """
    storage._namespaced = _NAMESPACED  # noqa: SLF001
