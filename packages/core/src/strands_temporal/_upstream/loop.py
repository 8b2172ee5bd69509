"""Runs Strands' plain tools inline on a workflow's event loop. Elsewhere Strands runs them in a thread."""

import asyncio
import functools
import logging
import sys
import time
import types
from collections.abc import Callable
from typing import Any, TypeVar

from temporalio import workflow

from .._errors import AgentTypeError
from .callers import module_of
from .slow_tools import run_or_give_up
from .strands_tools import remedy

logger = logging.getLogger(__name__)

T = TypeVar("T")


TOOL_CALL_SITES = frozenset({"strands.tools.decorator", "strands.tools.tools"})
"""Modules of Strands that run a tool's plain function through `asyncio.to_thread` (1.62: decorator.py:654,
tools.py:286). Only these may run inline: any other code that uses a thread would do I/O in the workflow, and
again at each replay."""


_SLOW_TOOL_SECONDS = 0.5  # Temporal's deadlock detector ends the workflow task at 2 s


def adapt_loop() -> None:
    """Give the running workflow's event loop a `run_in_executor` that runs Strands' plain tools inline.

    The workflow interceptor calls this function while the workflow's event loop is running. Temporal's own
    `run_in_executor` raises NotImplementedError, which Strands would give to the model as the tool's answer.
    """
    loop = asyncio.get_running_loop()
    if not workflow.in_workflow() or getattr(loop.run_in_executor, "__func__", None) is _run_inline:
        return
    setattr(loop, "run_in_executor", types.MethodType(_run_inline, loop))  # noqa: B010  # typed as a method


def _run_inline(
    loop: asyncio.AbstractEventLoop, executor: object, function: Callable[..., T], *args: Any
) -> "asyncio.Future[T]":
    """Replace a workflow loop's `run_in_executor`: run a tool's function now and return a done future."""
    caller = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    through_to_thread = caller.f_code is asyncio.to_thread.__code__
    site = module_of(caller.f_back if through_to_thread else caller)
    if not (through_to_thread and site in TOOL_CALL_SITES):
        raise RuntimeError(
            f"{site or 'Code'} wants to run in a thread, which a workflow does not have. Run inline, it "
            "would do its work again at every replay. Do the work in an activity: "
            "`strands_temporal.workflow.activity_as_tool` for a tool, `activity_as_hook` for a hook"
        )
    future: asyncio.Future[T] = loop.create_future()
    started = time.perf_counter()
    try:
        _refuse_io(function)
        future.set_result(run_or_give_up(function, *args))
    except StopIteration as error:  # a future cannot hold this class; Python's own thread pool does the same
        future.set_exception(RuntimeError(f"StopIteration: {error}"))
    except Exception as error:  # noqa: BLE001  # as a thread does: the future carries the tool's error
        future.set_exception(error)
    _warn_if_slow(time.perf_counter() - started)
    return future


def _refuse_io(function: Callable[..., object]) -> None:
    """Refuse a tool of strands-agents-tools that does I/O. A plain `strands.Agent` has no other check.

    Raises:
        AgentTypeError: If the function that `asyncio.to_thread` wrapped belongs to such a tool.
    """
    given = function.args if isinstance(function, functools.partial) else ()
    advice = remedy(str(getattr(given[0], "__module__", ""))) if given else None
    if advice:
        raise AgentTypeError(advice)


def _warn_if_slow(seconds: float) -> None:
    if seconds > _SLOW_TOOL_SECONDS and not workflow.unsafe.is_replaying():
        logger.warning(
            "seconds=<%.1f> | a plain tool ran that long inside the workflow; at 2 s Temporal takes it for a "
            "deadlock; make it an activity and use activity_as_tool",
            seconds,
        )
