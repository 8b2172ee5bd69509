"""Evicts the workflows that a Worker or Replayer leaves in its cache when it ends, and none while it runs.

temporalio (1.35) evicts a workflow to make room in the cache, but not when the Worker ends. The garbage
collector later closes the coroutines of the workflows left in the cache, inside whatever workflow runs at
that moment.

After a workflow task that takes over two seconds, temporalio evicts the workflow at once, although its thread
may still run: it would wait for that thread, but has cancelled the future that it waits for.
"""

import asyncio
import copy
import functools
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Generator, MutableSet
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from temporalio.bridge.proto.workflow_activation import (  # what a public method of `WorkflowInstance` takes
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.converter import DataConverter
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from .passes import evicts, note_passes
from .payload_contexts import answer_at_once, wants_contexts
from .unloadable import load_errors_explained

logger = logging.getLogger(__name__)

_SECONDS = 5.0  # per workflow; temporalio logs an error for an eviction of over two seconds
_ATTEMPTS = 3  # a task may swallow a cancellation
_PATIENCE = 1.0  # seconds that an eviction waits for the workflow's own thread; temporalio tries it again


class CachedWorkflows:
    """The workflow instances that one running Worker or Replayer has in its cache.

    Args:
        converter: The data converter of the Worker or Replayer.
        weak: Hold only weak references to the instances. For a Worker that does not report its evictions
            (`disable_safe_workflow_eviction`).
    """

    def __init__(self, converter: DataConverter, *, weak: bool = False) -> None:
        self._cached: MutableSet[WorkflowInstance] = WeakSet() if weak else set()
        self._wants_contexts = wants_contexts(converter)

    def add(self, instance: WorkflowInstance) -> None:
        """Remember `instance` until it is evicted."""
        if not self._wants_contexts:
            answer_at_once(instance)
        activate = instance.activate

        def activate_and_note(activation: WorkflowActivation) -> Any:
            completion = activate(activation)
            if evicts(activation):
                self._cached.discard(instance)
            return completion

        self._cached.add(instance)
        setattr(instance, "activate", activate_and_note)  # noqa: B010  # typed as a method

    def __len__(self) -> int:
        """Return the number of cached instances."""
        return len(self._cached)

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Remember the workflow instances of each Worker that starts in the block."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)

    async def evict(self) -> None:
        """Evict all instances, each in a thread of its own: this thread already runs an event loop."""
        for instance in list(self._cached):
            self._cached.discard(instance)
            workflow_id = instance.get_info().workflow_id
            try:
                await asyncio.wait_for(_in_thread(functools.partial(_evict, instance)), _SECONDS)
            except asyncio.TimeoutError:
                logger.error(  # noqa: TRY400  # there is no traceback of interest
                    "workflow_id=<%s>, seconds=<%g> | the eviction of a workflow does not end: code of "
                    "the workflow blocks, for example in a `finally`",
                    workflow_id,
                    _SECONDS,
                )
            except Exception:  # go on with the other workflows
                logger.exception("workflow_id=<%s> | a workflow could not be evicted", workflow_id)


_running: ContextVar[CachedWorkflows | None] = ContextVar("strands_temporal_cached_workflows", default=None)


@asynccontextmanager
async def evicting(converter: DataConverter, *, weak: bool = False) -> AsyncGenerator[None]:
    """Evict the cached workflows of the Worker that runs in the block, at the end of the block.

    Args:
        converter: See `CachedWorkflows`.
        weak: See `CachedWorkflows`.
    """
    cached = CachedWorkflows(converter, weak=weak)
    try:
        with cached.collecting():
            yield
    finally:
        await cached.evict()


def tracked(runner: WorkflowRunner) -> WorkflowRunner:
    """Return a copy of `runner` that reports each instance it creates to `CachedWorkflows`.

    The copy's class is a subclass of the runner's class, because Temporal and other plugins check for
    `SandboxedWorkflowRunner` and change such a runner with `dataclasses.replace`.
    """
    if isinstance(runner, _Tracked):
        return runner
    same = copy.copy(runner)
    object.__setattr__(same, "__class__", _tracked_class(type(runner)))  # the dataclass is frozen
    return same


class _Tracked(WorkflowRunner):
    """Mixin that `tracked` adds to a runner. Reports the runner's instances and their previews.

    It also explains why a workflow's file cannot be loaded.
    """

    __slots__ = ()

    def prepare_workflow(self, defn: Any) -> None:
        """See base class."""
        with load_errors_explained(defn.cls.__module__):
            super().prepare_workflow(defn)  # pyright: ignore[reportAbstractUsage]  # the runner's own

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See base class."""
        instance = super().create_instance(det)  # pyright: ignore[reportAbstractUsage]  # the runner's own
        note_passes(instance)
        wait_for_activations(instance)
        cached = _running.get()
        if cached is not None:
            cached.add(instance)
        return instance


@functools.cache
def _tracked_class(cls: type[WorkflowRunner]) -> type[WorkflowRunner]:
    return type(cls.__name__, (_Tracked, cls), {"__slots__": (), "__module__": cls.__module__})


def wait_for_activations(instance: WorkflowInstance) -> None:
    """Make an eviction of `instance` wait while another thread runs the workflow.

    Two threads that step the same asyncio tasks leave some that never end: then the workflow cannot be
    evicted, and its worker does not end.

    An eviction raises RuntimeError if the other thread goes on for `_PATIENCE` seconds.
    """
    activate = instance.activate
    runs = threading.Lock()

    def activate_alone(activation: WorkflowActivation) -> Any:
        if not runs.acquire(timeout=_PATIENCE if evicts(activation) else -1):
            raise RuntimeError(
                "The workflow still runs in another thread, though Temporal has interrupted it: its code, or "
                "a plain tool, computes without a pause. Make the tool an activity and use activity_as_tool."
            )
        try:
            return activate(activation)
        finally:
            runs.release()

    setattr(instance, "activate", activate_alone)  # noqa: B010  # typed as a method


def _evict(instance: WorkflowInstance) -> None:
    """Have `instance` cancel all its tasks, as temporalio does to make room in the cache."""
    job = WorkflowActivationJob(remove_from_cache=RemoveFromCache(message="The worker has ended"))
    activation = WorkflowActivation(run_id=instance.get_info().run_id, jobs=[job])
    for left in reversed(range(_ATTEMPTS)):
        try:
            instance.activate(activation)
        except RuntimeError:  # noqa: PERF203  # tasks remain
            if not left:
                raise
        else:
            return


def _in_thread(function: Callable[[], None]) -> "asyncio.Future[None]":
    """Run `function` in a daemon thread: a thread that hangs must not keep the program from exiting."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # a cancelled waiter then cannot cancel this future

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # for the waiter
            future.set_exception(error)

    threading.Thread(target=run, name="strands-temporal eviction", daemon=True).start()
    return asyncio.wrap_future(future)
