"""The base class of all five plugins.

A user may give a plugin to the client, to the worker, or to both, in any order.
"""

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast
from weakref import WeakSet

from temporalio import worker
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    Replayer,
    ReplayerConfig,
    Worker,
    WorkerConfig,
    WorkflowReplayResult,
)

from ._errors import did_you_mean
from ._upstream.eviction import CachedWorkflows, evicting
from ._upstream.private_api import activity_name
from ._upstream.sandbox import passing_through, track_unsandboxed
from ._upstream.teardown import watch_collector
from ._worker.lifetime import SharedLifetime
from ._worker.small_failures import SmallFailures

TConfig = TypeVar("TConfig", WorkerConfig, ReplayerConfig)

Activities = Sequence[Callable[..., Any]]
AppendActivities = Callable[[Activities | None], Activities]
MakeInterceptors = Callable[[Client | None], Sequence[worker.Interceptor]]

GRACEFUL_SHUTDOWN_TIMEOUT = timedelta(seconds=20)
"""How long a Worker that shuts down waits for its activities if the user gave no `graceful_shutdown_timeout`.

Temporal's default is 0: the Worker cancels each model call and tool call in flight, and another Worker makes
and pays for the call again. Most calls finish within twenty seconds. Kubernetes kills the process after
thirty, so there is time left to report the calls that do not finish.
"""

ONE_PLUGIN = "Pass one plugin object to the client, to the worker, or to both"


class ComposablePlugin(SimplePlugin):
    """A `SimplePlugin` that appends to a configuration and never replaces. Applying it twice changes nothing.

    A user may give the same plugin to the client and to its workers: a worker then applies it twice. The
    plugin then does not add activities and interceptors that are already there. It refuses a second plugin of
    its class that is configured differently. A subclass opens its connections in `open` and closes them in
    `close`. Only Workers call these two methods, because a Replayer must not connect to anything.

    If the user gave no `graceful_shutdown_timeout`, a Worker that shuts down waits 20 seconds for its
    activities, so that calls in flight are not made and paid for twice. When a Worker or Replayer ends, the
    plugin evicts the workflows in the cache of that Worker or Replayer. temporalio leaves these workflows to
    the garbage collector, which would close their coroutines inside other workflows.

    Args:
        name: The plugin's name, unique: "strands_temporal.StrandsPlugin".
        activities: Activity functions that the worker runs for this plugin. Alternatively a function that
            takes the worker's activities so far, and returns all activities that the worker runs.
        configuration: The values that distinguish plugins of this class, keyed by the name of the constructor
            argument that set the value. A second plugin with equal values shares the activities of the first.
            With None, a second plugin that registers the same activities is refused.
        interceptors: Worker interceptors, or a function that makes them for a worker from its client (None
            for a Replayer). Two interceptors of one class count as the same, unless their `identity`
            attributes differ.
        passthrough_modules: Modules that workflow code sees unsandboxed, beside Strands and this package.
        workflow_failure_exception_types: Exceptions that fail a workflow instead of its task.
        data_converter: Takes the user's data converter, or None, and returns the data converter to use.
    """

    def __init__(
        self,
        name: str,
        *,
        activities: Activities | AppendActivities = (),
        configuration: Mapping[str, object] | None = None,
        interceptors: Sequence[worker.Interceptor] | MakeInterceptors = (),
        passthrough_modules: Sequence[str] = (),
        workflow_failure_exception_types: Sequence[type[BaseException]] = (),
        data_converter: Callable[[DataConverter | None], DataConverter] | None = None,
    ) -> None:
        watch_collector()
        self._own_interceptors = interceptors
        self._own_activities: Activities = () if callable(activities) else tuple(activities)
        self.configuration = configuration
        self._lifetime = SharedLifetime(self.open, self.close)
        _remember(self)
        super().__init__(
            name,
            activities=activities if callable(activities) else self._add_activities,
            workflow_runner=lambda runner: passing_through(passthrough_modules, runner),
            workflow_failure_exception_types=_appending(workflow_failure_exception_types),
            data_converter=data_converter,
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """See base class. If a constructor gets an unknown option, its error suggests a similar one."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _suggesting(cls, cls.__init__)

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See base class."""
        config = super().configure_worker(config)
        config = track_unsandboxed(self._add_interceptors(config, config.get("client")))
        config["graceful_shutdown_timeout"] = (
            config.get("graceful_shutdown_timeout") or GRACEFUL_SHUTDOWN_TIMEOUT
        )
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """See base class."""
        return track_unsandboxed(self._add_interceptors(super().configure_replayer(config), None))

    def brings(self, activity: Callable[..., Any]) -> bool:
        """Tell whether this plugin registered `activity`."""
        return activity in self._own_activities

    def conflict(self, other: "ComposablePlugin", activity: str) -> str | None:
        """Return why `other`, of the same class, cannot stand in for this plugin; None if it can.

        Args:
            other: The plugin that the worker already has.
            activity: Name of an activity that both plugins register.
        """
        if self.configuration is None or other.configuration is None:
            return f"Two {type(self).__name__}s on one worker have an activity {activity!r}. {ONE_PLUGIN}"
        for argument, given in self.configuration.items():
            before = other.configuration[argument]
            if before != given:
                return (
                    f"Two {type(self).__name__}s with different {argument} meet on one worker: "
                    f"{_shown(before)} and {_shown(given)}. {ONE_PLUGIN}"
                )
        return None

    async def open(self) -> None:
        """Open the resources that the workers of this plugin share. Override it.

        This method is called before the first of these workers starts. If it raises, that Worker does not
        start, and the next Worker calls the method again. `close` is not called after such a failure, so
        leave nothing open.
        """

    async def close(self) -> None:
        """Close the resources that the workers of this plugin share. Override it.

        This method is called after the last of these workers has ended.
        """

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """See base class. Evicts the workflows in the Worker's cache before it returns.

        Raises:
            Exception: Whatever `open` raised. The Worker did not start.
        """
        try:
            await self._lifetime.enter()
        except Exception:
            # Start the worker and stop it at once: `async with worker` would hang if the worker never
            # started.
            ending = asyncio.ensure_future(worker.shutdown())
            await self._run(worker, next)
            await ending
            raise
        try:
            await self._run(worker, next)
        finally:
            await self._lifetime.leave()

    async def _run(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        weak = _evicts_in_silence(worker.config(active_config=True))
        async with evicting(worker.client.data_converter, weak=weak):
            await super().run_worker(worker, next)

    @asynccontextmanager
    async def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[
            [Replayer, AsyncIterator[WorkflowHistory]],
            AbstractAsyncContextManager[AsyncIterator[WorkflowReplayResult]],
        ],
    ) -> AsyncGenerator[AsyncIterator[WorkflowReplayResult]]:
        """See base class. Evicts the workflows in the Replayer's cache, as `run_worker` does."""
        config = replayer.config(active_config=True)
        converter = config.get("data_converter") or DataConverter.default
        cached = CachedWorkflows(converter, weak=_evicts_in_silence(config))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(cached.evict)
            with cached.collecting():  # not around the `yield`: another task may leave the block
                results = await stack.enter_async_context(super().run_replayer(replayer, histories, next))
            yield results

    def _add_activities(self, existing: Activities | None) -> Activities:
        """Return the worker's activities and this plugin's. Plugins with equal configurations share one set.

        Raises:
            ValueError: If the worker already has another activity with one of these names, and that activity
                does not come from a plugin with an equal configuration.
        """
        present = list(existing or ())
        named = {activity_name(function): function for function in present}
        added: list[Callable[..., Any]] = []
        for function in self._own_activities:
            name = activity_name(function)
            other = named.get(name) if name else None
            if other is None:
                added.append(function)
            elif other != function and (conflict := self._conflict_with(other, str(name))):
                raise ValueError(conflict)
        return present + added

    def _conflict_with(self, function: Callable[..., Any], name: str) -> str | None:
        plugin = _plugin_of(function)
        if plugin is not None and type(plugin) is type(self):
            return self.conflict(plugin, name)
        owner = type(self).__name__
        return f"The worker already has an activity {name!r}: {function!r}. {owner} needs that name"

    def _add_interceptors(self, config: TConfig, client: Client | None) -> TConfig:
        own = self._own_interceptors
        existing = list(config.get("interceptors") or ())
        present = {_identity(interceptor) for interceptor in existing}
        config["interceptors"] = existing + [
            interceptor
            for interceptor in (SmallFailures(), *(own(client) if callable(own) else own))
            if _identity(interceptor) not in present
        ]
        return config


_plugins: "WeakSet[ComposablePlugin]" = WeakSet()
_plugins_lock = threading.Lock()


def _remember(plugin: ComposablePlugin) -> None:
    with _plugins_lock:
        _plugins.add(plugin)


def _plugin_of(function: Callable[..., Any]) -> ComposablePlugin | None:
    """Return the plugin that registered an activity, or None if the user registered it."""
    with _plugins_lock:
        return next((plugin for plugin in _plugins if plugin.brings(function)), None)


def _shown(given: object) -> str:
    """Return an argument as text for a message: the sorted keys of a mapping, the repr of any other value."""
    return repr(sorted(cast("Mapping[str, object]", given)) if isinstance(given, Mapping) else given)


def _evicts_in_silence(config: WorkerConfig | ReplayerConfig) -> bool:
    """Tell whether the user's options make temporalio drop cached workflows without evicting them."""
    return bool(config.get("disable_safe_workflow_eviction"))


def _identity(interceptor: object) -> object:
    """Return the key by which two interceptors count as the same: their `identity`, else their class."""
    return getattr(interceptor, "identity", type(interceptor))


def _appending(added: Sequence[Any]) -> Callable[[Sequence[Any] | None], Sequence[Any]]:
    """Return a function that appends those items of `added` that a sequence does not have yet."""

    def append(existing: Sequence[Any] | None) -> list[Any]:
        present = list(existing or ())
        return present + [item for item in added if item not in present]

    return append


def _suggesting(cls: type, init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor, so that its TypeError for an unknown option lists the known ones."""
    parameters = inspect.signature(init).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return init
    known = [name for name, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]

    @functools.wraps(init)
    def construct(self: object, *args: Any, **options: Any) -> None:
        for name in options:
            if name not in parameters:
                raise TypeError(
                    f"{cls.__name__} has no option {name!r}.{did_you_mean(name, known)} "
                    f"Known: {', '.join(known) or 'none'}"
                )
        init(self, *args, **options)

    return construct
