"""Evicts the workflows that a Worker or Replayer leaves in its cache when it ends.

temporalio (1.35) evicts a workflow to make room in the cache, but none when the Worker ends. The garbage
collector later closes their coroutines inside whatever workflow runs at that moment.
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
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from .unloadable import load_errors_explained

logger = logging.getLogger(__name__)

_SECONDS = 5.0  # for one workflow; temporalio complains of an eviction after two
_ATTEMPTS = 3  # a task may swallow a cancellation


class CachedWorkflows:
    """The workflow instances that one running Worker or Replayer has in its cache.

    Args:
        weak: Whether to forget an instance that nobody else knows. For a Worker that does not say when it
            evicts one (`disable_safe_workflow_eviction`).
    """

    def __init__(self, *, weak: bool = False) -> None:
        self._cached: MutableSet[WorkflowInstance] = WeakSet() if weak else set()

    def add(self, instance: WorkflowInstance) -> None:
        """Remember `instance` until it is evicted."""
        activate = instance.activate

        def activate_and_note(activation: WorkflowActivation) -> Any:
            completion = activate(activation)
            if any(job.HasField("remove_from_cache") for job in activation.jobs):
                self._cached.discard(instance)
            return completion

        self._cached.add(instance)
        setattr(instance, "activate", activate_and_note)  # noqa: B010  # typed as a method

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._cached)

    @contextmanager
    def collecting(self) -> Generator[None]:
        """Remember the instances that a Worker makes whose tasks are started in the block."""
        token = _running.set(self)
        try:
            yield
        finally:
            _running.reset(token)

    async def evict(self) -> None:
        """Evict all, each on a thread of its own: it has an event loop that runs where no other does."""
        for instance in list(self._cached):
            self._cached.discard(instance)
            workflow_id = instance.get_info().workflow_id
            try:
                await asyncio.wait_for(_in_thread(functools.partial(_evict, instance)), _SECONDS)
            except asyncio.TimeoutError:
                logger.error(  # noqa: TRY400  # there is no traceback of interest
                    "workflow_id=<%s>, seconds=<%g> | a workflow does not end its eviction: something in it "
                    "blocks, in a `finally` for example",
                    workflow_id,
                    _SECONDS,
                )
            except Exception:  # of one workflow; the others are to be evicted too
                logger.exception("workflow_id=<%s> | a workflow could not be evicted", workflow_id)


_running: ContextVar[CachedWorkflows | None] = ContextVar("strands_temporal_cached_workflows", default=None)


@asynccontextmanager
async def evicting(*, weak: bool = False) -> AsyncGenerator[None]:
    """Evict at the end of the block what the Worker that ran in it left in its cache.

    Args:
        weak: As for `CachedWorkflows`.
    """
    cached = CachedWorkflows(weak=weak)
    try:
        with cached.collecting():
            yield
    finally:
        await cached.evict()


def tracked(runner: WorkflowRunner) -> WorkflowRunner:
    """Return a copy of `runner` that tells `CachedWorkflows` of the instances that it makes.

    It is of a subclass of the runner's own class: Temporal and other plugins look for
    `SandboxedWorkflowRunner`, and change it by `dataclasses.replace`.
    """
    if isinstance(runner, _Tracked):
        return runner
    same = copy.copy(runner)
    object.__setattr__(same, "__class__", _tracked_class(type(runner)))  # the dataclass is frozen
    return same


class _Tracked(WorkflowRunner):
    """Mixin of a workflow runner, which also says why a workflow's file cannot be loaded."""

    __slots__ = ()

    def prepare_workflow(self, defn: Any) -> None:
        """See base class."""
        with load_errors_explained(defn.cls.__module__):
            super().prepare_workflow(defn)  # pyright: ignore[reportAbstractUsage]  # the runner's own

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See base class."""
        instance = super().create_instance(det)  # pyright: ignore[reportAbstractUsage]  # the runner's own
        cached = _running.get()
        if cached is not None:
            cached.add(instance)
        return instance


@functools.cache
def _tracked_class(cls: type[WorkflowRunner]) -> type[WorkflowRunner]:
    return type(cls.__name__, (_Tracked, cls), {"__slots__": (), "__module__": cls.__module__})


def _evict(instance: WorkflowInstance) -> None:
    """Have `instance` cancel all its tasks, as temporalio does where it needs the place."""
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
    """Run `function` in a daemon thread: one that hangs must not keep the program from ending."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()  # who waits no longer does not stop it

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # for whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="strands-temporal eviction", daemon=True).start()
    return asyncio.wrap_future(future)
