"""Replaces names in Strands' modules with stand-ins, where a workflow needs a change that has no public API.

Each stand-in acts only inside a workflow and behaves as the original elsewhere. Each file has one reason:

    determinism.py   clock, ids and random numbers must give the same values at every replay
    waiting.py       threads and polls, which a workflow must not use
    loop.py          plain tools, which Strands runs in a thread
    cost.py          work for all messages at each model call, repeated at each replay (shared_messages.py)
    tracer.py        spans, which a replay would export again (spans.py, seeded_spans.py, held_spans.py)
    metrics.py       metrics, which a replay would count again
    teardown.py      hooks that Strands calls while a workflow is being evicted
    steering.py      errors of guards that Strands only logs
    default_sandbox.py  the host's shell and disk, which an agent without a sandbox would use
    own_sandboxes.py  errors of sandboxes and storages that cannot work, which plugins only log
    misplaced.py     the Bedrock model that Strands creates when no model is given
    conversation_managers.py
                     an agent's hooks, which must wait when a conversation manager asks a model
    deferred.py      sessions and plugins, whose set-up may wait for activities
    harness.py       the disk, process, clock and polls of strands-harness, if it is imported
    local_io.py      session managers and storages that read and write a disk or S3

`type_checks.py` makes `isinstance` quick in these modules and in ours.

`tests/upstream` walks the installed Strands and fails when a name moves or a new one appears.
"""

import importlib
import sys
import types
from collections.abc import Callable
from typing import Any

from .conversation_managers import ManagerLogger, WorkflowHookRegistry
from .cost import WorkflowCopy, WorkflowTracer
from .default_sandbox import WorkflowDefaultSandbox, WorkflowHostPath, WorkflowProcess
from .deferred import WorkflowRunAsync
from .determinism import (
    WorkflowDatetime,
    WorkflowRandom,
    WorkflowSwarmState,
    WorkflowTime,
    WorkflowUuid,
    WorkflowUuid4,
    WorkflowUuid7,
    hash_of_edge,
    hash_of_node,
)
from .local_io import RefusesIO, RefusesOperations
from .metrics import WorkflowMetricsClient
from .misplaced import WorkflowAgent, WorkflowBoto3
from .own_sandboxes import PluginLogger
from .shared_messages import WorkflowNormalizing
from .stand_in import StandIn
from .steering import SteeringLogger
from .teardown import HooksInspect
from .type_checks import quicken_type_checks
from .waiting import (
    WorkflowAsyncio,
    WorkflowBackgroundRuntime,
    WorkflowCancelWatcher,
    WorkflowExecutor,
    WorkflowSettlement,
    WorkflowThreading,
)

ADAPTED_NAMES: dict[str, tuple[str, ...]] = {
    "strands._async": ("ThreadPoolExecutor", "asyncio"),
    "strands._identifier": ("time",),
    "strands.agent._concurrency": ("asyncio",),
    "strands.agent.agent": ("NotASandboxLocalEnvironment", "get_tracer", "threading", "uuid"),
    "strands.background_tasks.in_process._engine": ("datetime", "uuid4"),
    "strands.background_tasks.in_process._manager": ("asyncio", "get_background_task_runtime", "uuid"),
    "strands.event_loop.event_loop": ("copy", "get_tracer", "uuid"),
    "strands.event_loop.streaming": ("_normalize_messages", "copy", "time"),
    "strands.hooks.registry": ("inspect",),
    "strands.models.bedrock": ("boto3",),
    "strands.multiagent.base": ("time",),
    "strands.multiagent.graph": ("asyncio", "get_tracer", "time"),
    "strands.multiagent.swarm": ("Agent", "get_tracer", "time"),
    "strands.plugins._discovery": ("run_async",),
    "strands.sandbox.docker": ("_stream_process",),
    "strands.sandbox.not_a_sandbox_local_environment": ("Path", "_stream_process"),
    "strands.sandbox.ssh": ("_stream_process",),
    "strands.session.file_session_manager": ("os",),
    "strands.session.s3_session_manager": ("BotocoreConfig", "boto3"),
    "strands.session.snapshot_session_manager": ("_new_snapshot_id", "run_async"),
    "strands.storage.local_file_storage": ("_normalize_key", "_normalize_prefix"),
    "strands.storage.s3_storage": ("_normalize_key", "_normalize_prefix"),
    "strands.telemetry.metrics": ("MetricsClient", "time", "uuid"),
    "strands.tools._caller": ("random",),
    "strands.tools.executors._executor": ("time",),
    "strands.tools.registry": ("uuid",),
    "strands.types._snapshot": ("datetime",),
    "strands.types.content": ("uuid",),
    "strands.types.session": ("datetime",),
    "strands.vended_memory_stores.file_memory_store.store": ("time",),
    "strands.vended_plugins.context_offloader.storage": ("BotocoreConfig", "boto3", "time"),
    "strands.vended_plugins.goal.plugin": ("time",),
    "strands.vended_interventions.cedar.cedar_authorization": ("dt",),
    "strands.vended_plugins.steering.context_providers.ledger_provider": ("datetime",),
    "strands.vended_plugins.steering.core.handler": ("logger",),
    "strands_tools.current_time": ("datetime",),
}
"""Names to replace, keyed by the Strands module that uses them. Some modules have a clock, ids, threads or
polls that affect messages, metrics, decisions or history. The others repeat work for each message at each
replay."""

NEEDS_AN_EXTRA = frozenset(
    {"strands.vended_interventions.cedar.cedar_authorization", "strands_tools.current_time"}
)
"""Modules in `ADAPTED_NAMES` that exist only with an extra of Strands, or with strands-agents-tools. If they
exist, they are imported at once. Otherwise a workflow may be the first to import them."""

ADAPTED_IF_LOADED = frozenset({"strands.sandbox.docker", "strands.sandbox.ssh"})
"""Modules in `ADAPTED_NAMES` that this package does not import, because they import all vended tools. If they
are imported later, they take the stand-in from `PROCESS`."""

PROCESS = ("strands.sandbox.stream_process", "_stream_process")
"""Where Strands' sandboxes find the function that starts a process."""

CANCEL_WATCHER = ("strands.agent.agent", "_link_cancel_signal")
"""Where Strands polls a caller's cancel signal, every 50 ms (1.62: agent.py:132). An agent used as a tool has
a watcher for each call."""

SETTLEMENT = ("strands.background_tasks._background_tasks", "_BackgroundTasks", "_await_next_settlement")
"""Where Strands waits for a background task to end. It waits 50 ms at a time, so that it notices a
cancellation (1.62: _background_tasks.py:341)."""

SWARM_STATE = ("strands.multiagent.swarm", "SwarmState")
"""Where a swarm's start time defaults to `time.time`. The default was bound when the class was created (1.62:
swarm.py:186)."""

HOOK_REGISTRY = ("strands.agent.agent", "HookRegistry")
"""Where an agent creates its hooks (1.62: agent.py:514)."""

MANAGER_LOGGERS = (
    ("strands.agent.conversation_manager.conversation_manager", "logger"),
    ("strands.agent.conversation_manager.summarizing_conversation_manager", "logger"),
)
"""The loggers to which conversation managers report the errors that they swallow."""

PLUGIN_LOGGERS = (
    ("strands._context_manager.stash", "logger"),
    ("strands.injection._message_injection", "logger"),
    ("strands.vended_plugins.context_offloader.plugin", "logger"),
    ("strands.vended_plugins.skills.agent_skills", "logger"),
)
"""The loggers of plugins, and of the injection of text, that swallow errors of a sandbox or a storage."""

STABLE_HASHES: dict[tuple[str, str], Callable[[Any], int]] = {
    ("strands.multiagent.graph", "GraphNode"): hash_of_node,
    ("strands.multiagent.graph", "GraphEdge"): hash_of_edge,
}
"""Classes whose hash decides the order of a graph's sets. The hash is replaced outside of workflows too: a
graph may be built there, and a set must not see two hashes of one object."""


IDS_OF_AN_ANSWER = ("strands.types.content", "strands.background_tasks.in_process._engine")
"""Modules of Strands that draw the ids of messages and background tasks. These ids identify tool calls."""


def adapt_strands() -> None:
    """Install the stand-ins. Strands then uses a workflow's clock, ids and event loop inside the workflow.

    Idempotent. Outside a workflow the modules in `ADAPTED_NAMES` behave as before.
    """
    for module_name, names in ADAPTED_NAMES.items():
        if module_name in ADAPTED_IF_LOADED and module_name not in sys.modules:
            continue
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            if module_name not in NEEDS_AN_EXTRA:
                raise
            continue
        _adapt(module, names)
    for (module_name, *class_name, name), stand_in in {
        CANCEL_WATCHER: WorkflowCancelWatcher,
        PROCESS: WorkflowProcess,
        SETTLEMENT: WorkflowSettlement,
        SWARM_STATE: WorkflowSwarmState,
        HOOK_REGISTRY: WorkflowHookRegistry,
        **dict.fromkeys(PLUGIN_LOGGERS, PluginLogger),
        **dict.fromkeys(MANAGER_LOGGERS, ManagerLogger),
    }.items():
        holder: Any = importlib.import_module(module_name)
        for part in class_name:
            holder = getattr(holder, part)
        if not isinstance(vars(holder)[name], StandIn):
            setattr(holder, name, stand_in(vars(holder)[name]))
    for (module_name, name), stable in STABLE_HASHES.items():
        getattr(importlib.import_module(module_name), name).__hash__ = stable
    quicken_type_checks()


def _adapt(module: types.ModuleType, names: tuple[str, ...]) -> None:
    for name in names:
        current = getattr(module, name)
        if not isinstance(current, StandIn):
            stand_in = (_DOES_IO if _does_io(module.__name__, name) else _STAND_INS)[name](current)
            stand_in.of_an_answer = module.__name__ in IDS_OF_AN_ANSWER
            setattr(module, name, stand_in)


_WITH_IO = ("strands.session.", "strands.vended_plugins.context_offloader.storage")

_DOES_IO: dict[str, type[StandIn]] = dict.fromkeys(("BotocoreConfig", "boto3", "os"), RefusesIO)
"""Stand-ins in the modules whose classes do I/O when they are made."""


def _does_io(module: str, name: str) -> bool:
    return name in _DOES_IO and module.startswith(_WITH_IO)


_STAND_INS: dict[str, type[StandIn]] = {
    "Agent": WorkflowAgent,
    "MetricsClient": WorkflowMetricsClient,
    "NotASandboxLocalEnvironment": WorkflowDefaultSandbox,
    "Path": WorkflowHostPath,
    "ThreadPoolExecutor": WorkflowExecutor,
    "_new_snapshot_id": WorkflowUuid7,
    "_normalize_key": RefusesOperations,
    "_normalize_messages": WorkflowNormalizing,
    "_normalize_prefix": RefusesOperations,
    "_stream_process": WorkflowProcess,
    "asyncio": WorkflowAsyncio,
    "boto3": WorkflowBoto3,
    "copy": WorkflowCopy,
    "datetime": WorkflowDatetime,
    "dt": WorkflowDatetime,
    "get_background_task_runtime": WorkflowBackgroundRuntime,
    "get_tracer": WorkflowTracer,
    "inspect": HooksInspect,
    "logger": SteeringLogger,
    "random": WorkflowRandom,
    "run_async": WorkflowRunAsync,
    "threading": WorkflowThreading,
    "time": WorkflowTime,
    "uuid": WorkflowUuid,
    "uuid4": WorkflowUuid4,
}
