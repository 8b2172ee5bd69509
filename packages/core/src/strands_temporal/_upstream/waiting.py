"""Replaces Strands' threads and polls with the workflow's event loop.

Strands' cancel signals are `threading.Event`s, which cannot be awaited, so Strands polls them. It also polls
a queue in `Graph`. Each poll would be a timer in history. Other code of Strands runs in a thread with an
event loop of its own. In a workflow that code runs inline (`sync_calls.py`) or on the workflow's event loop
(`background.py`).
"""

import functools
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future as ThreadsFuture
from typing import Any, TypeVar, cast

from temporalio import workflow

from .background import (
    WorkflowLoop,
    WorkflowTaskRuntime,
    create_task,
    wait_for_settlement,
    wrap_future,
)
from .cancel_signal import CancelSignal
from .stand_in import StandIn
from .sync_calls import InlineExecutor, run_inline

T = TypeVar("T")


QUEUE_POLLER = "_execute_nodes_parallel"
"""Name of the method in which `Graph` waits for its nodes' events (1.62: graph.py:855). It waits 0.1 s at a
time, to notice that all nodes have ended. That poll is not needed, because each node's last event, None,
wakes the method."""


class WorkflowThreading(StandIn):
    @property
    def Event(self) -> type[threading.Event]:  # noqa: N802  # the module's name
        return CancelSignal if workflow.in_workflow() else self._original.Event


class WorkflowExecutor(StandIn):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return InlineExecutor() if workflow.in_workflow() else self._original(*args, **kwargs)


class WorkflowAsyncio(StandIn):
    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return run_inline(coroutine) if workflow.in_workflow() else self._original.run(coroutine)

    def wait_for(self, awaitable: Awaitable[T], timeout: float | None) -> Coroutine[Any, Any, T]:
        # Only the poll loses its timeout: `node_timeout` comes through here too and must stay.
        caller = sys._getframe(1).f_code.co_name  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        if caller == QUEUE_POLLER and workflow.in_workflow():
            timeout = None
        return self._original.wait_for(awaitable, timeout)

    def get_running_loop(self) -> Any:
        loop = self._original.get_running_loop()
        return WorkflowLoop(loop) if workflow.in_workflow() else loop

    def run_coroutine_threadsafe(self, coroutine: Coroutine[Any, Any, Any], loop: Any) -> Any:
        if workflow.in_workflow():
            return create_task(coroutine)
        return self._original.run_coroutine_threadsafe(coroutine, loop)

    def wrap_future(self, future: Any) -> Any:
        if not workflow.in_workflow():
            return self._original.wrap_future(future)
        return wrap_future(cast("Any", future)) if isinstance(future, ThreadsFuture) else future


class WorkflowBackgroundRuntime(StandIn):
    def __call__(self) -> Any:
        return WorkflowTaskRuntime() if workflow.in_workflow() else self._original()


class WorkflowSettlement(StandIn):
    """The method that waits for background tasks. In a workflow it waits without a timer."""

    def __get__(self, plugin: Any, owner: object = None) -> Callable[[Sequence[Any]], Awaitable[None]]:
        return functools.partial(self, plugin)

    async def __call__(self, plugin: Any, tasks: Sequence[Any]) -> None:
        wait = wait_for_settlement if workflow.in_workflow() else self._original
        await wait(plugin, tasks)


class WorkflowCancelWatcher(StandIn):
    """Strands' function that watches a caller's cancel signal. In a workflow it waits without a timer."""

    async def __call__(self, external: threading.Event, internal: threading.Event) -> None:
        if not workflow.in_workflow():
            await self._original(external, internal)
            return
        await workflow.wait_condition(external.is_set)
        internal.set()
