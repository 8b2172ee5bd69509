"""What we need of Strands and Temporal that has no public way: all of it is here, and nothing else.

Each entry acts only inside a workflow, gives its reason, and has a test that fails loudly when upstream
changes (`tests/test_adaptation.py`):

- `adapt_loop`: a workflow's event loop has no `run_in_executor`, which Strands needs for plain `@tool`
  functions.
- `adapt_strands`: modules of Strands take their clock and ids from the names `time`, `uuid` and `random`; in
  a workflow those must give the same values at every replay. Their cancel signals are `threading.Event`s,
  which nothing can await: Strands polls them, and a queue in `Graph`; each tick would be a timer in history.
  And what Strands runs in a thread with a loop of its own is driven inline (`_sync_calls.py`), or on the
  workflow's loop (background tasks, `_background.py`). Its steering plugin tells nobody but its log that a
  guard failed, and lets pass what it guards: there the log raises. What it does for all messages at each
  model call, and again at each replay, is done cheaper (`_cheaper.py`). Ids of messages and of background
  tasks come from the model's answer that led to them (`_answers.py`). And it calls hooks in `finally`
  blocks, where the workflow may be one that is being torn down (`_teardown.py`). An agent that is given no
  model makes one of Amazon Bedrock, for which the sandbox fails the workflow task for ever: there boto3 says
  what to write, also in a workflow's `__init__`.
- `background_task`: the id of the background task that a tool call runs as has no public name.
- `end_waiting`: an agent that was stopped around an approved tool waits for answers that nobody owes.
- `call_tool`: a direct tool call takes the agent's lock, which has no public name.
- `called_by_strands`: tells a call by Strands' own code from a user's; `raised_by_multi_agent` an error.
- `activity_name`: the name that `@activity.defn` gave a function.
- `sub_agents_that_remember`: only the tool itself knows whether its agent keeps the conversation.
- `note_mcp_errors`: Strands keeps of an error in an MCP call its text only.
- `enforces_structured_output`, `StructuredOutputSupport`: whether a provider enforces structured output
  itself is an attribute without a public name.
"""

import asyncio
import functools
import importlib
import logging
import random
import sys
import threading
import time
import types
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future as ThreadsFuture
from datetime import datetime, tzinfo
from typing import Any, TypeVar, cast

from strands import Agent
from strands.telemetry.tracer import Tracer
from temporalio import workflow

from .._errors import AgentTypeError
from .answers import answers_random
from .background import BackgroundRuntime, OneLoop, on_this_loop, settled, start
from .cancel_signal import CancelSignal
from .cost import QuietTracer, copied
from .misplaced import NO_MODEL
from .slow_tools import run_or_give_up
from .strands_tools import remedy
from .sync_calls import InlineExecutor, capture, run_now
from .teardown import check_not_torn_down

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOOL_CALL_SITES = frozenset({"strands.tools.decorator", "strands.tools.tools"})
"""Modules of Strands that run a tool's plain function through `asyncio.to_thread` (1.62: decorator.py:654,
tools.py:286). Only these may run inline: any other use of a thread would do I/O in the workflow, again at
each replay."""

ADAPTED_NAMES: dict[str, tuple[str, ...]] = {
    "strands._async": ("ThreadPoolExecutor", "asyncio"),
    "strands._identifier": ("time",),
    "strands.agent._concurrency": ("asyncio",),
    "strands.agent.agent": ("threading", "uuid"),
    "strands.background_tasks._background_tasks": ("asyncio",),
    "strands.background_tasks.in_process._engine": ("datetime", "uuid4"),
    "strands.background_tasks.in_process._manager": ("asyncio", "get_background_task_runtime", "uuid"),
    "strands.event_loop.event_loop": ("copy", "get_tracer", "uuid"),
    "strands.event_loop.streaming": ("copy", "time"),
    "strands.hooks.registry": ("inspect",),
    "strands.models.bedrock": ("boto3",),
    "strands.multiagent.base": ("time",),
    "strands.multiagent.graph": ("asyncio", "time"),
    "strands.multiagent.swarm": ("time",),
    "strands.session.snapshot_session_manager": ("_new_snapshot_id",),
    "strands.telemetry.metrics": ("time", "uuid"),
    "strands.tools._caller": ("random",),
    "strands.tools.executors._executor": ("time",),
    "strands.tools.registry": ("uuid",),
    "strands.types._snapshot": ("datetime",),
    "strands.types.content": ("uuid",),
    "strands.types.session": ("datetime",),
    "strands.vended_plugins.context_offloader.storage": ("time",),
    "strands.vended_plugins.goal.plugin": ("time",),
    "strands.vended_interventions.cedar.cedar_authorization": ("dt",),
    "strands.vended_plugins.steering.context_providers.ledger_provider": ("datetime",),
    "strands.vended_plugins.steering.core.handler": ("logger",),
    "strands_tools.current_time": ("datetime",),
}
"""Modules of Strands whose clock, ids, threads and polls reach messages, metrics, decisions or history, or
whose work per message is paid at each replay, and the names they take them from."""

NEEDS_AN_EXTRA = frozenset(
    {"strands.vended_interventions.cedar.cedar_authorization", "strands_tools.current_time"}
)
"""Modules among them that are there only with an extra of Strands, or with strands-agents-tools. They are
imported at once where they are there: a workflow may be the first to import them."""

CANCEL_WATCHER = ("strands.agent.agent", "_link_cancel_signal")
"""Where Strands polls a caller's cancel signal, every 50 ms (1.62: agent.py:132). An agent as a tool has one
for each call."""

SWARM_STATE = ("strands.multiagent.swarm", "SwarmState")
"""Where a swarm's start is `time.time` as it was when the class was made (1.62: swarm.py:186)."""

QUEUE_POLLER = "_execute_nodes_parallel"
"""Where `Graph` waits 0.1 s at a time for its nodes' events (1.62: graph.py:855), lest it misses that all
have ended. Each node's last event is None, which wakes it, so it need not look."""

IDS_OF_AN_ANSWER = ("strands.types.content", "strands.background_tasks.in_process._engine")
"""Modules of Strands that draw the ids of messages and of background tasks. Tool calls are known by them."""

ENDS_WAITING = "strands-temporal-ends-waiting"
"""Patch of workflows: in histories of releases before it an agent that was stopped waited on, and the next
prompt raised TypeError."""

SETTLEMENT_POLLER = "_await_next_settlement"
"""Where background tasks wait 50 ms at a time for one to end, lest they miss a cancellation (1.62:
background_tasks/_background_tasks.py:355)."""

STEERING_FAILED = "guidance failed"
"""How the steering plugin's message ends on an error that it swallows (1.62: steering/core/handler.py:100
and 147)."""

_SLOW_TOOL_SECONDS = 0.5  # Temporal's deadlock detector ends the workflow task at 2 s
_RUN_STATE = "__strands_temporal_random__"
_LAST_UUID7 = "__strands_temporal_uuid7__"


def adapt_loop() -> None:
    """Give the running workflow's event loop a `run_in_executor` that runs Strands' plain tools inline.

    Called by the workflow interceptor where the workflow's own loop is running. Temporal's loop raises
    NotImplementedError there, which Strands would hand to the model as the tool's answer.
    """
    loop = asyncio.get_running_loop()
    if not workflow.in_workflow() or getattr(loop.run_in_executor, "__func__", None) is _run_inline:
        return
    setattr(loop, "run_in_executor", types.MethodType(_run_inline, loop))  # noqa: B010  # typed as a method


def adapt_strands() -> None:
    """Let the modules in `ADAPTED_NAMES` read clock, ids and chance from the workflow while inside one.

    Idempotent. Outside a workflow the modules behave as before.
    """
    for module_name, names in ADAPTED_NAMES.items():
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            if module_name not in NEEDS_AN_EXTRA:
                raise
            continue
        _adapt(module, names)
    for (module_name, name), stand_in in {CANCEL_WATCHER: _CancelWatcher, SWARM_STATE: _SwarmState}.items():
        module = importlib.import_module(module_name)
        if not isinstance(getattr(module, name), _StandIn):
            setattr(module, name, stand_in(getattr(module, name)))


def _adapt(module: types.ModuleType, names: tuple[str, ...]) -> None:
    for name in names:
        current = getattr(module, name)
        if not isinstance(current, _StandIn):
            stand_in = _STAND_INS[name](current)
            stand_in.of_an_answer = module.__name__ in IDS_OF_AN_ANSWER
            setattr(module, name, stand_in)


def called_by_strands(depth: int, package: str = "strands") -> bool:
    """Tell whether the code `depth` frames above the caller belongs to Strands, or to a package of it.

    Strands takes snapshots itself, through the methods that a `TemporalAgent` refuses to users (1.62:
    agent/_agent_as_tool.py:382, vended_plugins/goal/plugin.py:322, the session managers).
    """
    # Nothing public tells who calls.
    caller = _module(sys._getframe(depth + 1))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return caller == package or caller.startswith(f"{package}.")


def raised_by_multi_agent(error: BaseException) -> bool:
    """Tell whether `error` was raised by Strands' own code for graphs and swarms: a node's time-out, say.

    Nothing of ours stands around a `Graph`, so such an error is not marked as one that left an agent, and
    Temporal would retry the workflow task on it for ever.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and _module(traceback.tb_frame).startswith("strands.multiagent.")


def background_task(context: object) -> str | None:
    """Return the id of the background task that a tool call runs as, or None in the foreground.

    Its context has the id only in an attribute (1.62: background_tasks/in_process/_manager.py:62).
    """
    return getattr(context, "_task_id", None)


def end_waiting(agent: Agent) -> None:
    """End an agent's waiting for answers to its interrupts, if it waits.

    Strands ends it only where a tool cycle was not stopped (1.62: event_loop.py:995). The public way is to
    load a snapshot without interrupts, which Strands refuses while background tasks run.
    """
    state: Any = getattr(agent, "_interrupt_state")  # noqa: B009  # private
    if state.activated and workflow.patched(ENDS_WAITING):
        state.deactivate()


async def call_tool(agent: Agent, name: str, arguments: dict[str, Any]) -> Any:
    """Call a tool as `agent.tool.<name>(**arguments)` does, and wait for it.

    Strands' own caller (1.62: tools/_caller.py) makes the call and its record; only where it would run them
    in a thread they are awaited, under the same lock.
    """
    recorded = arguments.get("record_direct_tool_call")
    locked = agent.record_direct_tool_call if recorded is None else recorded
    # Strands takes the lock to find the tool, and gives it back as the call is taken out of it: here again.
    call = capture(lambda: getattr(agent.tool, name)(**arguments))
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


def sub_agents_that_remember(agent: Agent) -> dict[str, Agent]:
    """Return the agents among an agent's tools that keep their conversation from call to call, by tool name.

    Strands keeps `preserve_context` private (1.62: _agent_as_tool.py:102).
    """
    return {
        name: cast("Any", tool).agent
        for name, tool in agent.tool_registry.registry.items()
        if getattr(tool, "_preserve_context", False) is True
    }


def activity_name(function: Callable[..., Any]) -> str | None:
    """Return the activity type that `@activity.defn` gave `function`, or None if it is not an activity.

    temporalio offers no public look-up; `execute_activity` finds out only when the model calls the tool.
    """
    definition: Any = getattr(function, "__temporal_activity_definition", None)
    if definition is None:
        return None
    return definition.name or "dynamic"


def note_mcp_errors(client: Any, note: Callable[[Exception], None]) -> None:
    """Let Strands' MCP client tell each exception for which it answers a call with a failed result.

    Strands keeps its text alone (1.62: mcp_client.py:1385), which does not tell an error that the server
    answered with from a connection that was lost. `note` runs in the task that made the call. On a worker.
    """
    result_of = client._handle_tool_execution_error  # noqa: SLF001

    def noting(tool_use_id: str, exception: Exception) -> Any:
        note(exception)
        return result_of(tool_use_id, exception)

    client._handle_tool_execution_error = noting  # noqa: SLF001


def enforces_structured_output(model: object) -> bool:
    """Tell whether a provider enforces structured output itself (1.62: models/model.py:196). On a worker."""
    return getattr(model, "_supports_structured_output", False) is True


class StructuredOutputSupport:
    """Base of a model that says so of the provider behind it; the agent loop asks it (event_loop.py:742)."""

    @property
    def enforces_structured_output(self) -> bool:
        """Whether the provider behind this model enforces structured output itself."""
        return False

    @property
    def _supports_structured_output(self) -> bool:  # in the place of Model's class attribute
        return self.enforces_structured_output


def workflow_random() -> random.Random:
    """Return this run's named random stream, so that our ids leave the user's own sequence alone."""
    loop = asyncio.get_running_loop()
    stream: random.Random | None = getattr(loop, _RUN_STATE, None)
    if stream is None:
        stream = workflow.new_random("strands")
        setattr(loop, _RUN_STATE, stream)
    return stream


def _run_inline(
    loop: asyncio.AbstractEventLoop, executor: object, function: Callable[..., T], *args: Any
) -> "asyncio.Future[T]":
    """Stand in for a workflow loop's `run_in_executor`: run a tool's function now, return a done future."""
    caller = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    through_to_thread = caller.f_code is asyncio.to_thread.__code__
    site = _module(caller.f_back if through_to_thread else caller)
    if not (through_to_thread and site in TOOL_CALL_SITES):
        raise RuntimeError(
            f"{site or 'Code'} wants to run in a thread, which a workflow has not: it would do its work "
            "again at "
            "every replay. Do it in an activity: `strands_temporal.workflow.activity_as_tool` for a tool, "
            "`activity_as_hook` for a hook"
        )
    future: asyncio.Future[T] = loop.create_future()
    started = time.perf_counter()
    try:
        _refuse_io(function)
        future.set_result(run_or_give_up(loop, function, *args))
    except StopIteration as error:  # a future cannot hold it; Python's own thread pool says the same
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except Exception as error:  # noqa: BLE001  # as a thread does: the future carries the tool's error
        future.set_exception(error)
    _warn_if_slow(time.perf_counter() - started)
    return future


def _refuse_io(function: Callable[..., object]) -> None:
    """Refuse a tool of strands-agents-tools that does I/O. A plain `strands.Agent` has no other check.

    Raises:
        AgentTypeError: The function that `asyncio.to_thread` wrapped is of such a tool.
    """
    given = function.args if isinstance(function, functools.partial) else ()
    advice = remedy(str(getattr(given[0], "__module__", ""))) if given else None
    if advice:
        raise AgentTypeError(advice)


def _module(frame: types.FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame else ""


def _warn_if_slow(seconds: float) -> None:
    if seconds > _SLOW_TOOL_SECONDS and not workflow.unsafe.is_replaying():
        logger.warning(
            "seconds=<%.1f> | a plain tool ran that long inside the workflow; at 2 s Temporal takes it for a "
            "deadlock; "
            "make it an activity and use activity_as_tool",
            seconds,
        )


class _StandIn:
    """A module (or what else has a name) seen through a few changed functions; all else is its own."""

    of_an_answer = False
    """Whether what it draws belongs to the answer of a model that is being worked on."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def draw(self) -> random.Random:
        return (answers_random() if self.of_an_answer else None) or workflow_random()


class _WorkflowTime(_StandIn):
    def time(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.time()

    def monotonic(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.monotonic()

    def perf_counter(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.perf_counter()


class _WorkflowUuid(_StandIn):
    def uuid4(self) -> uuid.UUID:
        return _uuid4(self.draw()) if _may_draw() else self._module.uuid4()


class _WorkflowUuid4(_StandIn):
    def __call__(self) -> uuid.UUID:
        return _uuid4(self.draw()) if _may_draw() else self._module()


class _WorkflowDatetime(_StandIn):
    def now(self, tz: tzinfo | None = None) -> datetime:
        if not workflow.in_workflow():
            return self._module.now(tz)
        # Workers may be in several time zones: a time without one is UTC.
        return workflow.now().astimezone(tz) if tz else workflow.now().replace(tzinfo=None)


class _WorkflowUuid7(_StandIn):
    """Strands' ids of snapshots, whose order is that of their making; its own counter is the process's."""

    def __call__(self) -> str:
        if not _may_draw():
            return self._module()
        loop = asyncio.get_running_loop()
        last: int = getattr(loop, _LAST_UUID7, 0)
        ordered = max(int(workflow.time() * 1000) << 12, last + 1)  # 48 bits of milliseconds, 12 of a counter
        setattr(loop, _LAST_UUID7, ordered)
        value = (ordered >> 12) << 80 | 0x7 << 76 | (ordered & 0xFFF) << 64 | 0b10 << 62
        return str(uuid.UUID(int=value | workflow_random().getrandbits(62)))


class _WorkflowRandom(_StandIn):
    def randint(self, a: int, b: int) -> int:
        return workflow_random().randint(a, b) if _may_draw() else self._module.randint(a, b)


class _WorkflowThreading(_StandIn):
    @property
    def Event(self) -> type[threading.Event]:  # noqa: N802  # the module's name
        return CancelSignal if workflow.in_workflow() else self._module.Event


class _WorkflowExecutor(_StandIn):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return InlineExecutor() if workflow.in_workflow() else self._module(*args, **kwargs)


class _WorkflowAsyncio(_StandIn):
    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return run_now(coroutine) if workflow.in_workflow() else self._module.run(coroutine)

    def wait_for(self, awaitable: Awaitable[T], timeout: float | None) -> Coroutine[Any, Any, T]:
        # Only for the poll: `node_timeout` goes through here as well, and is meant.
        caller = sys._getframe(1).f_code.co_name  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if caller == QUEUE_POLLER and workflow.in_workflow():
            timeout = None
        return self._module.wait_for(awaitable, timeout)

    def wait(self, waiters: Any, **options: Any) -> Coroutine[Any, Any, Any]:
        caller = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if caller.f_code.co_name == SETTLEMENT_POLLER and workflow.in_workflow():
            plugin: Any = caller.f_locals["self"]
            return settled(waiters, plugin._agent.cancel_signal)  # noqa: SLF001
        return self._module.wait(waiters, **options)

    def get_running_loop(self) -> Any:
        loop = self._module.get_running_loop()
        return OneLoop(loop) if workflow.in_workflow() else loop

    def run_coroutine_threadsafe(self, coroutine: Coroutine[Any, Any, Any], loop: Any) -> Any:
        if workflow.in_workflow():
            return start(coroutine)
        return self._module.run_coroutine_threadsafe(coroutine, loop)

    def wrap_future(self, future: Any) -> Any:
        if not workflow.in_workflow():
            return self._module.wrap_future(future)
        return on_this_loop(cast("Any", future)) if isinstance(future, ThreadsFuture) else future


class _WorkflowCopy(_StandIn):
    def deepcopy(self, value: T) -> T:
        return copied(value, {}) if workflow.in_workflow() else self._module.deepcopy(value)


class _WorkflowTracer(_StandIn):
    def __call__(self) -> Tracer:
        tracer = self._module()
        # One of a user's own, set in the place of Strands', stays as it is.
        return QuietTracer(tracer) if type(tracer) is Tracer and workflow.in_workflow() else tracer


class _WorkflowBoto3(_StandIn):
    """boto3 as Strands' Bedrock model takes it, which an agent makes that is given no model."""

    @property
    def Session(self) -> Any:  # noqa: N802  # the module's name
        if workflow.in_workflow():
            raise AgentTypeError(NO_MODEL)
        return self._module.Session


class _WorkflowBackgroundRuntime(_StandIn):
    def __call__(self) -> Any:
        return BackgroundRuntime() if workflow.in_workflow() else self._module()


class _SteeringLogger(_StandIn):
    """The log of Strands' steering plugin, which in a workflow raises what the plugin only logs.

    A guard that cannot run must not let pass what it guards.
    """

    def debug(self, message: str, *args: Any) -> None:
        self._module.debug(message, *args)
        if message.endswith(STEERING_FAILED) and workflow.in_workflow():
            raise args[-1]


class _HooksInspect(_StandIn):
    """The module `inspect` of Strands' hook registry, which asks it about each callback before the call.

    In a teardown the answer is that nothing more is called: neither for an eviction, which is no event of the
    agent's, nor by the garbage collector, which may run in another workflow or in none.
    """

    def iscoroutinefunction(self, callback: Any) -> bool:
        check_not_torn_down()
        return self._module.iscoroutinefunction(callback)


class _CancelWatcher(_StandIn):
    """Strands' watcher of a caller's cancel signal; in a workflow it waits without a timer."""

    async def __call__(self, external: threading.Event, internal: threading.Event) -> None:
        if not workflow.in_workflow():
            await self._module(external, internal)
            return
        await workflow.wait_condition(external.is_set)
        internal.set()


class _SwarmState(_StandIn):
    """The class of a swarm's state; in a workflow a swarm starts at the workflow's time."""

    def __call__(self, **values: Any) -> Any:
        if workflow.in_workflow():
            values.setdefault("start_time", workflow.time())
        return self._module(**values)


_STAND_INS: dict[str, type[_StandIn]] = {
    "ThreadPoolExecutor": _WorkflowExecutor,
    "_new_snapshot_id": _WorkflowUuid7,
    "asyncio": _WorkflowAsyncio,
    "boto3": _WorkflowBoto3,
    "copy": _WorkflowCopy,
    "datetime": _WorkflowDatetime,
    "dt": _WorkflowDatetime,
    "get_background_task_runtime": _WorkflowBackgroundRuntime,
    "get_tracer": _WorkflowTracer,
    "inspect": _HooksInspect,
    "logger": _SteeringLogger,
    "random": _WorkflowRandom,
    "threading": _WorkflowThreading,
    "time": _WorkflowTime,
    "uuid": _WorkflowUuid,
    "uuid4": _WorkflowUuid4,
}


def _uuid4(source: random.Random) -> uuid.UUID:
    return uuid.UUID(int=source.getrandbits(128), version=4)


def _may_draw() -> bool:
    """Only code that replays may draw: a query or a validator would move the stream for the run."""
    return workflow.in_workflow() and not workflow.unsafe.is_read_only()
