"""Counts what agents use in a workflow: turns, calls and tokens, by agent and by model.

The counts go on over continue-as-new: `agent.carry()` takes them along. The query `usage` returns them, and
each addition is also emitted as a Temporal metric. Strands' own `result.metrics` counts the same tokens for
one agent.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, cast

from temporalio import workflow
from temporalio.common import MetricCounter

from .._upstream.metrics import is_new_value
from .._upstream.run_local import run_local
from .._wire.values import utf8_text
from .query_handlers import takes_json

_logger = logging.getLogger(__name__)

NO_AGENT = "(no agent)"
"""Stands in `usage` for the name of the agent if a model is called outside of one."""


@dataclass
class ModelUsage:
    """Calls of models and their tokens.

    Attributes:
        model_calls: Calls that were answered.
        input_tokens: Tokens of their input, as the provider reports them.
        output_tokens: Tokens of their answers.
        total_tokens: The provider's total.
        cache_read_input_tokens: Input tokens that the provider read from its prompt cache.
        cache_write_input_tokens: Input tokens that it wrote to its prompt cache.
    """

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0

    def add(self, other: "ModelUsage") -> None:
        """Add another usage to this one."""
        for each in _COUNTS:
            setattr(self, each, getattr(self, each) + getattr(other, each))

    @classmethod
    def of_strands(cls, usage: Mapping[str, Any], *, model_calls: int = 0) -> "ModelUsage":
        """Return the counts of Strands' `Usage`, each as a whole number, at least 0."""
        return cls(
            model_calls,
            _count(usage.get("inputTokens")),
            _count(usage.get("outputTokens")),
            _count(usage.get("totalTokens")),
            _count(usage.get("cacheReadInputTokens")),
            _count(usage.get("cacheWriteInputTokens")),
        )


def _count(reported: Any) -> int:
    try:
        return max(0, int(reported))
    except (TypeError, ValueError, OverflowError):  # no number, or none that is finite
        return 0


_COUNTS = tuple(each.name for each in fields(ModelUsage))


@dataclass
class AgentUsage:
    """The usage of all agents of one name.

    Attributes:
        turns: Their turns that have ended.
        tool_calls: Their tool calls that have ended.
        models: Their model calls, by the model's name.
    """

    turns: int = 0
    tool_calls: int = 0
    models: dict[str, ModelUsage] = field(default_factory=dict[str, ModelUsage])

    @property
    def total(self) -> ModelUsage:
        """The usage of all models together."""
        total = ModelUsage()
        for usage in self.models.values():
            total.add(usage)
        return total

    def add(self, other: "AgentUsage") -> None:
        """Add another usage to this one."""
        self.turns += other.turns
        self.tool_calls += other.tool_calls
        for model, usage in other.models.items():
            self.models.setdefault(model, ModelUsage()).add(usage)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AgentUsage":
        """Return the usage from a value that `asdict` made. Ignores what a newer release added."""
        models = {
            model: ModelUsage(**{name: count for name, count in counts.items() if name in _COUNTS})
            for model, counts in value["models"].items()
        }
        return cls(value["turns"], value["tool_calls"], models)


@dataclass
class _ChainUsage:
    """The usage of the runs of one continue-as-new chain, at one moment.

    Attributes:
        after: The run that the last counted run continues. It tells the chain's runs apart, even after a
            reset, which gives a run another id. None for the first run.
        agents: The usage, by the agents' names.
    """

    after: str | None
    agents: dict[str, AgentUsage]

    @property
    def amount(self) -> int:
        """Turns and calls. The larger entry of one chain is the later one."""
        return sum(usage.turns + usage.tool_calls + usage.total.model_calls for usage in self.agents.values())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "_ChainUsage":
        """Return the entry from a value that `asdict` made."""
        return cls(
            value["after"], {name: AgentUsage.from_json(usage) for name, usage in value["agents"].items()}
        )


class WorkflowUsage:
    """The usage of one run's agents, and the usage in the carries that they were built from.

    A carry has one entry for each continue-as-new chain in which its agent has worked: that of this workflow,
    and those of a parent or a child that handed the agent over.
    """

    def __init__(self) -> None:
        self._agents: dict[str, AgentUsage] = {}  # of this run alone
        self._before: dict[str, _ChainUsage] = {}  # of earlier runs, by the first run of their chain

    def add_model_call(self, agent: object, model: str, usage: ModelUsage) -> None:
        """Count an answered model call."""
        self._of(agent).models.setdefault(model, ModelUsage()).add(usage)
        run_local(_Counters).model_call(agent, model, usage)

    def add_tool_call(self, agent: object, tool: str, status: str) -> None:
        """Count a tool call."""
        self._of(agent).tool_calls += 1
        run_local(_Counters).tool_call(agent, tool, status)

    def add_turn(self, agent: object, stop_reason: str) -> None:
        """Count a turn."""
        self._of(agent).turns += 1
        run_local(_Counters).turn(agent, stop_reason)

    def by_agent(self) -> dict[str, AgentUsage]:
        """Return the usage by the agents' names, including the usage in the carries."""
        return _together(*(chain.agents for chain in self._before.values()), self._agents)

    def total(self) -> ModelUsage:
        """Return the usage of all agents together."""
        total = ModelUsage()
        for agent in self.by_agent().values():
            total.add(agent.total)
        return total

    def carried(self) -> dict[str, Any]:
        """Return the usage as JSON values for an agent's carry, by chain."""
        info = workflow.info()
        own = self._before.get(info.first_execution_run_id)
        agents = _together(own.agents if own else {}, self._agents)
        chains = {**self._before, info.first_execution_run_id: _ChainUsage(info.continued_run_id, agents)}
        return {chain: asdict(usage) for chain, usage in chains.items()}

    def take_over(self, carried: Mapping[str, Any]) -> None:
        """Add the usage of an agent's carry.

        The carries of several agents hold the usage of the same chains, each as of the time when the carry
        was made. So the largest entry of each chain counts. An entry that this run itself made, and that
        comes back from a child workflow, is ignored.
        """
        info = workflow.info()
        for chain, value in carried.items():
            taken, known = _ChainUsage.from_json(value), self._before.get(chain)
            if chain == info.first_execution_run_id and taken.after == info.continued_run_id:
                continue
            if known is None or taken.amount > known.amount:
                self._before[chain] = taken

    @takes_json
    def to_json(self) -> dict[str, Any]:
        """Return the answer to the query `usage`."""
        return {
            "total": asdict(self.total()),
            "agents": {
                name: {**asdict(usage.total), **asdict(usage)} for name, usage in self.by_agent().items()
            },
        }

    def _of(self, agent: object) -> AgentUsage:
        return self._agents.setdefault(_text(agent), AgentUsage())


def _together(*parts: Mapping[str, AgentUsage]) -> dict[str, AgentUsage]:
    """Return the sums of several usages, by the agents' names."""
    together: dict[str, AgentUsage] = {}
    for agents in parts:
        for name, usage in agents.items():
            together.setdefault(name, AgentUsage()).add(usage)
    return together


def _text(name: object) -> str:
    """Return a name as text that JSON and metrics can hold. Strands takes any value as an agent's name."""
    return utf8_text(str(name), "replace")


def usage_in(events: list[Any]) -> ModelUsage:
    """Return the usage of one model call. The last event with a usage counts, as in Strands."""
    usage: Mapping[str, Any] = {}
    for event in events:
        metadata: Any = event.get("metadata")
        if metadata and isinstance(metadata, Mapping) and isinstance(metadata.get("usage"), Mapping):
            usage = cast("Mapping[str, Any]", metadata["usage"])
    return ModelUsage.of_strands(usage, model_calls=1)


class _Counters:
    """One run's metrics. The SDK adds the namespace, the task queue and the workflow type to each.

    The workflow emits them, because only the workflow knows the agent. So a metric that cannot be emitted
    must not fail the workflow: a replay would not fail with it.
    """

    @cached_property
    def _turns(self) -> MetricCounter:
        return _counter("turns", "Turns of agents that ended", None)

    @cached_property
    def _tool_calls(self) -> MetricCounter:
        return _counter("tool_calls", "Tool calls of agents that ended", None)

    @cached_property
    def _model_calls(self) -> MetricCounter:
        return _counter("model_calls", "Model calls that were answered", None)

    @cached_property
    def _input_tokens(self) -> MetricCounter:
        return _counter("input_tokens", "Input tokens, as the provider reports them", "token")

    @cached_property
    def _output_tokens(self) -> MetricCounter:
        return _counter("output_tokens", "Output tokens, as the provider reports them", "token")

    def turn(self, agent: object, stop_reason: str) -> None:
        """Emit a turn."""
        _emit(lambda: self._turns, 1, agent=agent, stop_reason=stop_reason)

    def tool_call(self, agent: object, tool: str, status: str) -> None:
        """Emit a tool call."""
        _emit(lambda: self._tool_calls, 1, agent=agent, tool=tool, status=status)

    def model_call(self, agent: object, model: str, usage: ModelUsage) -> None:
        """Emit an answered model call."""
        _emit(lambda: self._model_calls, 1, agent=agent, model=model)
        _emit(lambda: self._input_tokens, usage.input_tokens, agent=agent, model=model)
        _emit(lambda: self._output_tokens, usage.output_tokens, agent=agent, model=model)


def _emit(counter: Callable[[], MetricCounter], value: int, **attributes: object) -> None:
    if not is_new_value():  # the SDK's meter would also count previews and retried workflow tasks
        return
    try:
        counter().add(value, {key: _text(text) for key, text in attributes.items()})
    except Exception as error:  # noqa: BLE001  # whatever the SDK refuses, for example a count above 64 bits
        _logger.debug("error=<%r> | a metric was not emitted", error)


def _counter(name: str, description: str, unit: str | None) -> MetricCounter:
    return workflow.metric_meter().create_counter(f"strands_temporal_{name}", description, unit)
