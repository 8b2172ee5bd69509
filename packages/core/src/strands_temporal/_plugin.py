"""`StrandsPlugin`: durable Strands agents on a Client or Worker."""

import asyncio
import dataclasses
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import ClientConfig, Plugin
from temporalio.converter import DataConverter, DefaultPayloadConverter
from temporalio.worker import ReplayerConfig, Worker, WorkerConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from ._composable import ComposablePlugin, TConfig
from ._interceptor import StrandsInterceptor
from ._upstream.a2a import refuse_a2a_agents
from ._upstream.bidi import refuse_bidi
from ._upstream.conversation_managers import use_hooks
from ._upstream.failure_converter import with_typed_errors
from ._upstream.harness import HARNESS
from ._upstream.install import adapt_strands
from ._upstream.late_imports import prepare_late_imports
from ._upstream.maker_imports import checking_makers
from ._upstream.misplaced import StrandsError
from ._wire.extras import load_extra
from ._wire.model_call import DEFAULT_MODEL
from ._wire.payload_converter import SharingPayloadConverter
from ._worker.a2a import A2AAgentFactory, A2AAgents
from ._worker.garbage import spare_what_stays
from ._worker.harness_code import HarnessCode
from ._worker.hosted_tools import HostedTool, HostedTools
from ._worker.memory_stores import MemoryStoreFactory, MemoryStores
from ._worker.model_activities import ModelActivities
from ._worker.model_factories import ModelFactory, named_models
from ._worker.queue_watch import QueueWatch
from ._worker.sandbox_factories import SandboxFactory
from ._worker.sandbox_secrets import SandboxSecrets
from ._worker.sandboxes import HostedSandboxes
from ._worker.storages import StorageFactory, Storages
from ._worker.transcripts import DEFAULT_CACHE_BYTES, KeptTranscripts
from ._worker.worker_report import WorkerReports
from ._workflow.agent import TemporalAgent
from ._workflow.agent_definitions import AgentDefinition, named_agents
from ._workflow.agent_hooks import AgentHooks
from ._workflow.agent_workflow import AgentListWorkflow, AgentWorkflow
from ._workflow.conversation_parts import load_parts

_BRING_A_CONVERTER = frozenset({"OpenAIAgentsPlugin"})
"""Names of plugins that set a payload converter on the client, and raise if an earlier plugin has set one."""


class StrandsPlugin(ComposablePlugin):
    """Run Strands agents in the workflows of this client and its workers.

    Put it on the Client (its workers pick it up), on a Worker, or on both. It registers the model activities,
    lets Strands through the workflow sandbox, and uses the pydantic payload converter unless you set one of
    your own.

    Args:
        models: Model factories by name, for `TemporalAgent(model=name)`. A factory is called when its model
            is first used, and the worker keeps the model. With None the plugin offers Strands' own default,
            Amazon Bedrock. The retries of Bedrock's SDK are then off, because Temporal retries.
        tools: Tools that the worker hosts for `TemporalTools(name)`, by name. A value is a Strands tool, a
            module of tools, or a factory that returns a tool or a list of tools. A factory is called when its
            tools are first used, and the worker keeps them. The activity `invoke_tool` calls a tool.
        sandboxes: Factories of sandboxes by name, for `TemporalSandbox(name)`. A factory returns a
            `strands.Sandbox`, an awaitable of one, or an async context manager of one. If it takes an
            argument, it gets the `SandboxChain` that the sandbox serves, and each workflow has a sandbox of
            its own. `SandboxFactory(factory, ...)` adds options.
        sandbox_secrets: The secrets that commands in sandboxes may use, by name: values or functions. Or a
            list of names of the worker's environment variables. A workflow writes `SecretRef(name)`.
        storages: Factories of Strands' storages by name, for `TemporalStorage(name)`. A factory returns a
            storage, an awaitable of one, or an async context manager of one. It is called when its storage is
            first used, and the worker keeps the storage; it leaves the context manager when it ends.
        memory_stores: Factories of Strands' memory stores by name, for `TemporalMemoryStore(name)`. They work
            like those of storages.
        a2a_agents: Factories of Strands' `A2AAgent` by name, for `TemporalA2AAgent(name)`. A factory is
            called when its agent is first called, and the worker keeps the client. Needs Strands' extra
            `a2a`.
        mcp_clients: Factories of Strands' `MCPClient` by name, for `TemporalMCPClient(server=name)`. They
            work as in a separate `strands_temporal_mcp.MCPPlugin(mcp_clients=...)`. Needs the extra `mcp`.
        mcp_connection_idle_timeout: How long a connection to an MCP server may be unused before it is closed;
            the next call opens another one. None, the default, keeps each connection open for the worker's
            life.
        agents: Functions that make agents, by name, for `AgentWorkflow` and `ConversationClient`: each at the
            top level of a module, or an `AgentDefinition` of one. The worker then runs `AgentWorkflow`.
        max_cached_transcript_bytes: How many bytes of conversations a worker keeps, so that a model call
            sends only new messages; 64 MiB by default. A worker that does not have a conversation asks the
            workflow for it with a query. 0 keeps nothing.

    Raises:
        MissingExtraError: If `mcp_clients` is given and the extra `mcp` is not installed.
        TypeError: If one of the mappings is not a mapping, a name is not a string, or a factory cannot be
            called.
        ValueError: If `models` or a name is empty, `max_cached_transcript_bytes` is negative,
            `mcp_connection_idle_timeout` is given without `mcp_clients`, or `sandbox_secrets` without
            `sandboxes`.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, ModelFactory] | None = None,
        tools: Mapping[str, HostedTool] | None = None,
        sandboxes: Mapping[str, Callable[..., Any] | SandboxFactory] | None = None,
        sandbox_secrets: SandboxSecrets | None = None,
        storages: Mapping[str, StorageFactory] | None = None,
        memory_stores: Mapping[str, MemoryStoreFactory] | None = None,
        a2a_agents: Mapping[str, A2AAgentFactory] | None = None,
        mcp_clients: Mapping[str, Callable[[], Any]] | None = None,
        mcp_connection_idle_timeout: timedelta | None = None,
        agents: Mapping[str, Callable[..., TemporalAgent] | AgentDefinition] | None = None,
        max_cached_transcript_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        adapt_strands()
        use_hooks(AgentHooks)
        self._mcp = _mcp_plugin(mcp_clients, mcp_connection_idle_timeout)
        self._models = named_models(models)
        self._agents = named_agents(agents)
        self._tools = HostedTools(tools)
        self._sandboxes = HostedSandboxes(sandboxes, sandbox_secrets)
        self._a2a = A2AAgents(a2a_agents, refuse_a2a_agents)
        self._queues = QueueWatch()
        self._transcripts = KeptTranscripts(_checked_bytes(max_cached_transcript_bytes))
        self._storages = Storages(storages, self._transcripts.queries)
        self._memory_stores = MemoryStores(memory_stores, self._transcripts.queries)
        harness_code = HarnessCode(self._transcripts.queries)
        activities = ModelActivities(
            self._models, DEFAULT_MODEL if models is None else None, self._transcripts
        )
        super().__init__(
            "strands_temporal.StrandsPlugin",
            activities=[
                *activities.functions,
                *self._tools.functions,
                *self._sandboxes.functions,
                *self._storages.functions,
                *self._memory_stores.functions,
                *self._a2a.functions,
                *harness_code.functions,
                *WorkerReports(lambda: list(self._models.factories)).functions,
            ],
            configuration={
                "models": self._models.factories,
                "tools": self._tools.given,
                **self._sandboxes.configuration,
                "storages": self._storages.objects.factories,
                "memory_stores": self._memory_stores.objects.factories,
                "a2a_agents": self._a2a.factories,
                "agents": self._agents,
            },
            interceptors=lambda client: [
                StrandsInterceptor(self._transcripts.queries, client, self._queues, self._agents)
            ],
            workflow_failure_exception_types=[StrandsError],
            data_converter=_data_converter,
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """See base class."""
        before = config["data_converter"]
        config = super().configure_client(config)
        if _brings_a_converter_later(self, config["plugins"]):
            config["data_converter"] = dataclasses.replace(
                config["data_converter"], payload_converter_class=before.payload_converter_class
            )
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See base class."""
        _prepare_strands()
        config = self._add_workflows(super().configure_worker(config))
        return self._mcp.configure_worker(config) if self._mcp else config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """See base class."""
        _prepare_strands()
        config = self._add_workflows(super().configure_replayer(config))
        return self._mcp.configure_replayer(config) if self._mcp else config

    def _add_workflows(self, config: TConfig) -> TConfig:
        """Add the workflows for agents by name, if there are agents and the workflows are not there yet.

        The Worker or Replayer then imports the functions that make the agents in its sandbox.
        """
        if self._agents:
            present = list(config.get("workflows") or ())
            added = [each for each in (AgentWorkflow, AgentListWorkflow) if each not in present]
            config["workflows"] = present + added
            makers = {name: agent.make_agent for name, agent in self._agents.items()}
            runner = config.get("workflow_runner") or SandboxedWorkflowRunner()
            config["workflow_runner"] = checking_makers(runner, AgentWorkflow, makers)
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """See base class. Also runs the MCP plugin of `mcp_clients`, inside this plugin."""
        self._queues.use_loop(asyncio.get_running_loop())
        spare_what_stays()
        mcp = self._mcp
        await super().run_worker(worker, (lambda worker: mcp.run_worker(worker, next)) if mcp else next)

    async def close(self) -> None:
        """See base class. Drops the factories' products, and the conversations that the workers kept."""
        await asyncio.gather(
            self._sandboxes.close(), self._storages.objects.close(), self._memory_stores.objects.close()
        )
        self._models.clear()
        self._tools.clear()
        self._a2a.clear()
        self._transcripts.clear()
        self._queues.clear()


def _brings_a_converter_later(plugin: StrandsPlugin, plugins: Sequence[Plugin]) -> bool:
    """Tell whether a later plugin sets its own payload converter, one that supports pydantic's types."""
    later = list(plugins)[list(plugins).index(plugin) + 1 :] if plugin in plugins else []
    return any(other.name() in _BRING_A_CONVERTER for other in later)


def _prepare_strands() -> None:
    """Refuse what cannot work in a workflow, and load what a workflow may be the first to ask for."""
    refuse_bidi()
    load_parts()
    if HARNESS in sys.modules:
        from ._workflow.harness_setup import prepare_harness

        prepare_harness()
    prepare_late_imports()
    refuse_a2a_agents()


def _mcp_plugin(
    mcp_clients: Mapping[str, Callable[[], Any]] | None, idle_timeout: timedelta | None
) -> ComposablePlugin | None:
    """Return the mcp package's plugin, which this plugin runs inside itself, or None without servers."""
    if mcp_clients is None:
        if idle_timeout is not None:
            raise ValueError(
                f"StrandsPlugin: mcp_connection_idle_timeout={idle_timeout!r} is for the servers in "
                "mcp_clients, and there are none. Give mcp_clients={'name': lambda: MCPClient(...)}; for an "
                "MCPPlugin of your own write MCPPlugin(connection_idle_timeout=...)"
            )
        return None
    plugin_class = load_extra("mcp", "StrandsPlugin(mcp_clients=...)")
    return plugin_class(mcp_clients=mcp_clients, connection_idle_timeout=idle_timeout)


def _checked_bytes(max_bytes: object) -> int:
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool):
        raise TypeError(
            f"StrandsPlugin: max_cached_transcript_bytes={max_bytes!r} is not a number of bytes. Write an int"
        )
    if max_bytes < 0:
        raise ValueError(
            f"StrandsPlugin: max_cached_transcript_bytes={max_bytes} is negative. 0 keeps nothing"
        )
    return max_bytes


def _data_converter(converter: DataConverter | None) -> DataConverter:
    """Return a converter that sends Strands' exceptions as typed failures, with pydantic's payload converter.

    A payload converter that the user has set stays in use.
    """
    converter = converter or DataConverter.default
    payload_converter_class = converter.payload_converter_class
    if payload_converter_class is DefaultPayloadConverter:
        payload_converter_class = SharingPayloadConverter
    return dataclasses.replace(
        converter,
        payload_converter_class=payload_converter_class,
        failure_converter_class=with_typed_errors(converter.failure_converter_class),
    )
