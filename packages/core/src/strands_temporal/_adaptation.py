"""What we need of Strands and Temporal that has no public way: all of it is here, and nothing else.

Each entry acts only inside a workflow, gives its reason, and has a test that fails loudly when upstream
changes (`tests/test_adaptation.py`):

- `adapt_loop`: a workflow's event loop has no `run_in_executor`, which Strands needs for plain `@tool`
  functions.
- `adapt_strands`: modules of Strands take their clock and ids from the names `time`, `uuid` and `random`; in
  a workflow those must give the same values at every replay.
- `called_by_strands`: tells a call by Strands' own code from a user's.
- `activity_name`: the name that `@activity.defn` gave a function.
"""

import asyncio
import importlib
import logging
import random
import sys
import time
import types
import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOOL_CALL_SITES = frozenset({"strands.tools.decorator", "strands.tools.tools"})
"""Modules of Strands that run a tool's plain function through `asyncio.to_thread` (1.62: decorator.py:654,
tools.py:286). Only these may run inline: any other use of a thread would do I/O in the workflow, again at
each replay."""

ADAPTED_NAMES: dict[str, tuple[str, ...]] = {
    "strands._identifier": ("time",),
    "strands.agent.agent": ("uuid",),
    "strands.event_loop.event_loop": ("uuid",),
    "strands.event_loop.streaming": ("time",),
    "strands.multiagent.base": ("time",),
    "strands.multiagent.graph": ("time",),
    "strands.multiagent.swarm": ("time",),
    "strands.telemetry.metrics": ("time", "uuid"),
    "strands.tools._caller": ("random",),
    "strands.tools.executors._executor": ("time",),
    "strands.tools.registry": ("uuid",),
    "strands.types.content": ("uuid",),
    "strands.vended_plugins.goal.plugin": ("time",),
}
"""Modules of Strands whose clock and ids reach messages, metrics or decisions, and the names they take them
from."""

_SLOW_TOOL_SECONDS = 0.5  # Temporal's deadlock detector ends the workflow task at 2 s
_RUN_STATE = "__strands_temporal_random__"


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
    stand_ins = {"time": _WorkflowTime, "uuid": _WorkflowUuid, "random": _WorkflowRandom}
    for module_name, names in ADAPTED_NAMES.items():
        module = importlib.import_module(module_name)
        for name in names:
            current = getattr(module, name)
            if not isinstance(current, _StandIn):
                setattr(module, name, stand_ins[name](current))


def called_by_strands(depth: int) -> bool:
    """Tell whether the code `depth` frames above the caller belongs to Strands.

    Strands takes snapshots itself, through the methods that a `TemporalAgent` refuses to users (1.62:
    agent/_agent_as_tool.py:382, vended_plugins/goal/plugin.py:322, the session managers).
    """
    # Nothing public tells who calls.
    caller = _module(sys._getframe(depth + 1))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return caller == "strands" or caller.startswith("strands.")


def activity_name(function: Callable[..., Any]) -> str | None:
    """Return the activity type that `@activity.defn` gave `function`, or None if it is not an activity.

    temporalio offers no public look-up; `execute_activity` finds out only when the model calls the tool.
    """
    definition: Any = getattr(function, "__temporal_activity_definition", None)
    if definition is None:
        return None
    return definition.name or "dynamic"


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
        future.set_result(function(*args))
    except StopIteration as error:  # a future cannot hold it; Python's own thread pool says the same
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except Exception as error:  # noqa: BLE001  # as a thread does: the future carries the tool's error
        future.set_exception(error)
    _warn_if_slow(time.perf_counter() - started)
    return future


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
    """A module seen through a few changed functions; everything else is the module's own."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


class _WorkflowTime(_StandIn):
    def time(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.time()

    def monotonic(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.monotonic()

    def perf_counter(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._module.perf_counter()


class _WorkflowUuid(_StandIn):
    def uuid4(self) -> uuid.UUID:
        if _may_draw():
            return uuid.UUID(int=workflow_random().getrandbits(128), version=4)
        return self._module.uuid4()


class _WorkflowRandom(_StandIn):
    def randint(self, a: int, b: int) -> int:
        return workflow_random().randint(a, b) if _may_draw() else self._module.randint(a, b)


def _may_draw() -> bool:
    """Only code that replays may draw: a query or a validator would move the stream for the run."""
    return workflow.in_workflow() and not workflow.unsafe.is_read_only()
