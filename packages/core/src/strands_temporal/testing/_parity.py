"""Runs the same scenario in a plain `strands.Agent` and in a workflow, and compares the results."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookCallback,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from temporalio import workflow
from temporalio.client import Client

from .._wire.values import encode
from .._workflow.agent import TemporalAgent
from ._environment import agent_environment
from ._scripted import ScriptedModel

_MODEL = "scripted"


class AgentFactory:
    """Builds the agent of a scenario: plain, or durable in a workflow.

    Call it with arguments that both agents take (`tools=`, `hooks=`, ...). The scenario provides the model.

    Attributes:
        durable: Whether the agent runs in the workflow. For scenarios whose tools differ between the two runs
            (`activity_as_tool`).
    """

    def __init__(self, model: ScriptedModel | None, record: "_Recorder") -> None:
        self.durable: bool = model is None
        self._model = model
        self._record = record

    def __call__(self, *, hooks: Sequence[HookProvider] = (), **arguments: Any) -> Agent:
        """Return the agent."""
        every_hook: list[Any] = [*hooks, self._record]
        if self._model is None:
            return TemporalAgent(_MODEL, hooks=every_hook, callback_handler=None, **arguments)
        return Agent(self._model, hooks=every_hook, callback_handler=None, retry_strategy=None, **arguments)


@dataclass(frozen=True)
class Scenario:
    """An agent and its prompts. It runs twice: as a plain agent, and as a durable one.

    Attributes:
        script: Returns the scripted model. Called once for each of the two runs.
        build: Returns the agent: `lambda make: make(tools=[letter_counter])`.
        drive: Calls the agent and returns the last result. For one prompt: `drive=prompts("Hello")`.
        activities: Activities of the worker.
        tools: Tools hosted on the worker, for `TemporalTools` in the durable run.
        storages: Factories of storages on the worker, for `TemporalStorage` in the durable run.
        memory_stores: Factories of memory stores on the worker, for `TemporalMemoryStore` in the durable run.
        sandboxes: Factories of sandboxes on the worker, for `TemporalSandbox` in the durable run.
    """

    script: Callable[[], ScriptedModel]
    build: Callable[[AgentFactory], Agent]
    drive: Callable[[Agent], Awaitable[AgentResult]]
    activities: Sequence[Callable[..., Any]] = ()
    tools: Mapping[str, Any] | None = None
    storages: Mapping[str, Callable[[], Any]] | None = None
    memory_stores: Mapping[str, Callable[[], Any]] | None = None
    sandboxes: Mapping[str, Callable[..., Any]] | None = None


@dataclass
class Observation:
    """The results of one run that a user can see.

    Attributes:
        messages: The conversation at the end, without ids and timings.
        hook_events: Hook events in order, with the values that distinguish them.
        tool_results: Results of the tools, in order.
        stop_reason: Why the last invocation ended.
        text: The last result as text.
        structured_output: The last result's structured output, dumped.
        usage: Tokens counted over the run.
        cycles: Cycles of the event loop.
        tool_calls: Number of calls, and of failures, by tool.
        error: Class name and message of the exception that a call of the agent raised.
        given: The model's input, call by call: messages, tool names, system prompt, tool choice.
    """

    messages: list[Any] = field(default_factory=list[Any])
    hook_events: list[Any] = field(default_factory=list[Any])
    tool_results: list[Any] = field(default_factory=list[Any])
    stop_reason: str | None = None
    text: str | None = None
    structured_output: Any = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    cycles: int = 0
    tool_calls: dict[str, Any] = field(default_factory=dict[str, Any])
    error: list[str] | None = None
    given: list[Any] = field(default_factory=list[Any])


@dataclass(frozen=True)
class Parity:
    """Both runs of a scenario. If parity holds, `plain` and `durable` are equal."""

    plain: Observation
    durable: Observation

    def assert_equal(self) -> None:
        """Raise an AssertionError that names the first difference between the runs, if there is one."""
        for name in self.plain.__dataclass_fields__:
            plain, durable = getattr(self.plain, name), getattr(self.durable, name)
            if plain != durable:
                raise AssertionError(f"{name} differs.\n  plain:   {plain!r}\n  durable: {durable!r}")


def prompts(*texts: Any, **arguments: Any) -> Callable[[Agent], Awaitable[AgentResult]]:
    """Return a `drive` that invokes the agent with each prompt in turn."""

    async def drive(agent: Agent) -> AgentResult:
        result: AgentResult | None = None
        for text in texts:
            result = await agent.invoke_async(text, **arguments)
        if result is None:
            raise ValueError("prompts() needs at least one prompt")
        return result

    return drive


async def run_parity(address: "str | Client", scenario: Scenario, **worker_options: Any) -> Parity:
    """Run `scenario` in a plain agent and in a workflow, replay the workflow, and return both results.

    Args:
        address: `host:port` of a Temporal server, or a client.
        scenario: The scenario.
        **worker_options: Further arguments of the Worker, for example `max_cached_workflows=0`.
    """
    plain_model = scenario.script()
    plain = await _observe(scenario, plain_model)
    plain.given = _given(plain_model)
    model = scenario.script()
    key = f"scenario-{uuid.uuid4()}"
    _running[key] = scenario
    try:
        async with agent_environment(
            address,
            workflows=[ParityWorkflow],
            models={_MODEL: lambda: model},
            tools=scenario.tools,
            storages=scenario.storages,
            memory_stores=scenario.memory_stores,
            sandboxes=scenario.sandboxes,
            activities=scenario.activities,
            **worker_options,
        ) as environment:
            durable = Observation(**await environment.run(ParityWorkflow.run, key))
    finally:
        del _running[key]
    durable.given = _given(model)
    return Parity(plain, durable)


_running: dict[str, Scenario] = {}
"""Running scenarios, by key. The workflow is in the same process and finds its scenario here."""


@workflow.defn
class ParityWorkflow:
    """Runs a scenario of this process in a workflow."""

    @workflow.run
    async def run(self, key: str) -> dict[str, Any]:
        """Run the scenario `key` and return its results as JSON values."""
        return vars(await _observe(_running[key], None))


async def _observe(scenario: Scenario, model: ScriptedModel | None) -> Observation:
    record = _Recorder()
    agent = scenario.build(AgentFactory(model, record))
    seen = Observation(hook_events=record.events, tool_results=record.tool_results)
    result: AgentResult | None = None
    try:
        result = await scenario.drive(agent)
    except Exception as error:  # noqa: BLE001  # the exception is part of the comparison
        seen.error = [type(error).__name__, str(error)]
    if result is not None:
        seen.stop_reason = result.stop_reason
        seen.text = str(result)
        seen.structured_output = result.structured_output.model_dump() if result.structured_output else None
    metrics = agent.event_loop_metrics
    seen.messages = [_bare(message) for message in agent.messages]
    seen.usage = dict(metrics.accumulated_usage)
    seen.cycles = metrics.cycle_count
    seen.tool_calls = {
        name: {"calls": tool.call_count, "errors": tool.error_count}
        for name, tool in metrics.tool_metrics.items()
    }
    # JSON values with tagged bytes: the workflow's results arrive in this form, so bring both runs into it.
    for name, value in vars(seen).items():
        setattr(seen, name, encode(value))
    return seen


class _Recorder(HookProvider):
    """Records every hook event, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.tool_results: list[Any] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        for event_type, describe in _DESCRIBED.items():
            registry.add_callback(event_type, self._recording(describe))

    def _recording(self, describe: Callable[[Any], Any]) -> HookCallback[Any]:
        def record(event: Any) -> None:
            self.events.append([type(event).__name__, encode(describe(event))])
            if isinstance(event, AfterToolCallEvent):
                self.tool_results.append(encode(event.result))

        return record


def _after_model(event: AfterModelCallEvent) -> Any:
    if event.exception is not None:
        return type(event.exception).__name__
    return event.stop_response.stop_reason if event.stop_response else None


def _after_tool(event: AfterToolCallEvent[Any]) -> Any:
    return [
        event.tool_use["name"],
        event.result.get("status"),
        type(event.exception).__name__ if event.exception else None,
        event.cancel_message,
    ]


def _nothing(_: Any) -> None:
    return None


_DESCRIBED: Mapping[type[Any], Callable[[Any], Any]] = {
    BeforeInvocationEvent: _nothing,
    AfterInvocationEvent: lambda event: event.result.stop_reason if event.result else None,
    BeforeModelCallEvent: _nothing,
    AfterModelCallEvent: _after_model,
    BeforeToolsEvent: _nothing,
    AfterToolsEvent: _nothing,
    BeforeToolCallEvent: lambda event: [event.tool_use["name"], event.tool_use["input"]],
    AfterToolCallEvent: _after_tool,
    MessageAddedEvent: lambda event: event.message["role"],
}


def _bare(message: Any) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def _given(model: ScriptedModel) -> list[Any]:
    return [
        {
            "messages": encode([_bare(message) for message in call.messages]),
            "tools": call.tool_names,
            "system_prompt": call.system_prompt,
            "tool_choice": encode(call.tool_choice),
        }
        for call in model.calls
    ]
