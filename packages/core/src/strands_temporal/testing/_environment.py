"""A client and a worker for tests of agents, and a check that their workflows replay."""

import uuid
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Plugin as WorkerPlugin
from temporalio.worker import Replayer, Worker

from .._plugin import StrandsPlugin
from .._worker.model_factories import ModelFactory

DEFAULT_TIMEOUT = timedelta(seconds=60)


DEADLOCK = "[TMPRL1101]"
"""Text in the error of a workflow task that did not yield within two seconds."""


async def assert_replays(
    history: "WorkflowHistory | WorkflowHandle[Any, Any]",
    workflows: Sequence[type],
    *,
    plugins: Sequence[WorkerPlugin] | None = None,
) -> None:
    """Replay a workflow's history and raise the error of the replay, if any.

    Args:
        history: A history, or a handle of the workflow whose history is fetched.
        workflows: The workflow classes that may have run.
        plugins: Plugins of the worker that ran the workflow. By default `StrandsPlugin()`. No model is
            called.

    Raises:
        temporalio.workflow.NondeterminismError: If the code does not do what the history has recorded.
    """
    if isinstance(history, WorkflowHandle):
        history = await history.fetch_history()
    replayer = Replayer(
        workflows=workflows, plugins=list(plugins) if plugins is not None else [StrandsPlugin()]
    )
    for last in (False, False, True):
        try:
            await replayer.replay_workflow(history)
        except RuntimeError as error:  # noqa: PERF203  # a try for each replay
            # temporalio's deadlock detector also counts time in which a busy machine gives the replay no
            # core.
            if last or DEADLOCK not in str(error):
                raise
        else:
            return


@dataclass
class AgentEnvironment:
    """A client and a running worker on one task queue. `agent_environment` creates it.

    Attributes:
        client: Client with the environment's plugins.
        worker: The running worker.
        workflows: Workflow classes of the worker.
        plugins: Plugins of the client, which also apply to the worker.
        timeout: How long one workflow may run before the server ends it.
    """

    client: Client
    worker: Worker
    workflows: Sequence[type]
    plugins: Sequence[Any]
    timeout: timedelta = DEFAULT_TIMEOUT
    handles: list["WorkflowHandle[Any, Any]"] = field(default_factory=list["WorkflowHandle[Any, Any]"])

    @property
    def task_queue(self) -> str:
        """The task queue of the worker."""
        return self.worker.task_queue

    async def start(
        self, workflow: Callable[..., Any], *args: Any, **options: Any
    ) -> "WorkflowHandle[Any, Any]":
        """Start a workflow and return its handle. `options` are those of `Client.start_workflow`."""
        options.setdefault("id", f"test-{uuid.uuid4()}")
        options.setdefault("execution_timeout", self.timeout)
        handle = await self.client.start_workflow(workflow, args=args, task_queue=self.task_queue, **options)
        self.handles.append(handle)
        return handle

    async def run(self, workflow: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Run a workflow to its end, replay its history, and return its result or raise its failure."""
        handle = await self.start(workflow, *args, **options)
        try:
            return await handle.result()
        finally:
            await self.assert_replays(handle)

    async def assert_replays(self, handle: "WorkflowHandle[Any, Any]") -> None:
        """Replay the workflow's history up to now."""
        await assert_replays(handle, self.workflows, plugins=self.plugins)


@asynccontextmanager
async def agent_environment(
    address: "str | Client",
    *,
    workflows: Sequence[type],
    models: Mapping[str, ModelFactory] | None = None,
    tools: Mapping[str, Any] | None = None,
    storages: Mapping[str, Callable[[], Any]] | None = None,
    memory_stores: Mapping[str, Callable[[], Any]] | None = None,
    sandboxes: Mapping[str, Callable[..., Any]] | None = None,
    activities: Sequence[Callable[..., Any]] = (),
    plugins: Sequence[Any] | None = None,
    **worker_options: Any,
) -> AsyncGenerator[AgentEnvironment]:
    """Connect to a Temporal server and run a worker while the block runs.

    Args:
        address: `host:port` of the server, or a client whose connection is used.
        workflows: Workflow classes.
        models: Model factories for a `StrandsPlugin`. Do not give `plugins` as well.
        tools: Tools that this `StrandsPlugin` hosts on the worker. Do not give `plugins` as well.
        storages: Factories of storages for this `StrandsPlugin`. Do not give `plugins` as well.
        memory_stores: Factories of memory stores for this `StrandsPlugin`. Do not give `plugins` as well.
        sandboxes: Factories of sandboxes for this `StrandsPlugin`. Do not give `plugins` as well.
        activities: Activity functions; plain ones run in a thread pool.
        plugins: Plugins for the client, which also apply to the worker. By default
            `[StrandsPlugin(models=models, tools=tools, ...)]`.
        **worker_options: Further arguments of `temporalio.worker.Worker`. By default the worker does not wait
            for activities when the block ends.
    """
    if plugins is None:
        plugins = [
            StrandsPlugin(
                models=models,
                tools=tools,
                storages=storages,
                memory_stores=memory_stores,
                sandboxes=sandboxes,
            )
        ]
    if isinstance(address, Client):
        client = Client(address.service_client, namespace=address.namespace, plugins=plugins)
    else:
        client = await Client.connect(address, plugins=plugins)
    with ThreadPoolExecutor(8) as executor:
        worker_options.setdefault("activity_executor", executor)
        # A test does not want to wait for calls that still run. 0 would mean the default.
        worker_options.setdefault("graceful_shutdown_timeout", timedelta(microseconds=1))
        worker_options.setdefault("task_queue", f"test-{uuid.uuid4()}")
        worker = Worker(client, workflows=workflows, activities=activities, **worker_options)
        async with worker:
            yield AgentEnvironment(client, worker, workflows, plugins)
