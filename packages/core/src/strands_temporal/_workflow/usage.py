"""Counts what agents use in a workflow: turns, calls and tokens, by agent and by model.

The counts go on over continue-as-new: `agent.carry()` takes them along. The query `usage` returns them, and
each addition is also emitted as a Temporal metric. Strands' own `result.metrics` counts the same tokens for
one agent.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, cast

from temporalio import workflow
from temporalio.common import MetricCounter

from .._upstream.run_local import run_local

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
        """Return the counts of Strands' `Usage`."""
        return cls(
            model_calls,
            usage.get("inputTokens") or 0,
            usage.get("outputTokens") or 0,
            usage.get("totalTokens") or 0,
            usage.get("cacheReadInputTokens") or 0,
            usage.get("cacheWriteInputTokens") or 0,
        )


_COUNTS = tuple(each.name for each in fields(ModelUsage))


@dataclass
class AgentUsage:
    """What all agents of one name used.

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
        """Return the usage that `asdict` made the value of. Ignores what a newer release added."""
        models = {
            model: ModelUsage(**{name: count for name, count in counts.items() if name in _COUNTS})
            for model, counts in value["models"].items()
        }
        return cls(value["turns"], value["tool_calls"], models)


class WorkflowUsage:
    """The usage of one run's agents, and of the runs before it whose carries the agents were built from."""

    def __init__(self) -> None:
        self._agents: dict[str, AgentUsage] = {}
        self._before: dict[str, dict[str, AgentUsage]] = {}  # by the run that carried it

    def add_model_call(self, agent: str, model: str, usage: ModelUsage) -> None:
        """Count an answered model call."""
        self._of(agent).models.setdefault(model, ModelUsage()).add(usage)
        run_local(_Counters).model_call(agent, model, usage)

    def add_tool_call(self, agent: str, tool: str, status: str) -> None:
        """Count a tool call."""
        self._of(agent).tool_calls += 1
        run_local(_Counters).tool_calls.add(1, {"agent": agent, "tool": tool, "status": status})

    def add_turn(self, agent: str, stop_reason: str) -> None:
        """Count a turn."""
        self._of(agent).turns += 1
        run_local(_Counters).turns.add(1, {"agent": agent, "stop_reason": stop_reason})

    def by_agent(self) -> dict[str, AgentUsage]:
        """Return the usage by the agents' names, that of earlier runs included."""
        all_agents: dict[str, AgentUsage] = {}
        for agents in (*self._before.values(), self._agents):
            for name, usage in agents.items():
                all_agents.setdefault(name, AgentUsage()).add(usage)
        return all_agents

    def total(self) -> ModelUsage:
        """Return the usage of all agents together."""
        total = ModelUsage()
        for agent in self.by_agent().values():
            total.add(agent.total)
        return total

    def carried(self) -> dict[str, Any]:
        """Return the usage as JSON values for an agent's carry."""
        agents = {name: asdict(usage) for name, usage in self.by_agent().items()}
        return {"run": workflow.info().run_id, "agents": agents}

    def take_over(self, carried: Mapping[str, Any]) -> None:
        """Add the usage of an agent's carry.

        The carries of several agents hold the same usage, each as of the moment when it was made. The latest
        of a run counts. A carry that this run made itself adds nothing.
        """
        run = carried["run"]
        agents = {name: AgentUsage.from_json(usage) for name, usage in carried["agents"].items()}
        if run != workflow.info().run_id and _amount(agents) >= _amount(self._before.get(run, {})):
            self._before[run] = agents

    def to_json(self) -> dict[str, Any]:
        """Return the answer to the query `usage`."""
        return {
            "total": asdict(self.total()),
            "agents": {
                name: {**asdict(usage.total), **asdict(usage)} for name, usage in self.by_agent().items()
            },
        }

    def _of(self, agent: str) -> AgentUsage:
        return self._agents.setdefault(agent, AgentUsage())


def _amount(agents: Mapping[str, AgentUsage]) -> int:
    return sum(usage.turns + usage.tool_calls + usage.total.model_calls for usage in agents.values())


def usage_in(events: list[Any]) -> ModelUsage:
    """Return the usage of one model call. The last event with a usage counts, as in Strands."""
    usage: Mapping[str, Any] = {}
    for event in events:
        metadata: Any = event.get("metadata")
        if isinstance(metadata, Mapping) and isinstance(metadata.get("usage"), Mapping):
            usage = cast("Mapping[str, Any]", metadata["usage"])
    return ModelUsage.of_strands(usage, model_calls=1)


class _Counters:
    """One run's metrics. The SDK adds the namespace, the task queue and the workflow type to each.

    They come from the workflow, where the agent is known. The SDK emits nothing during a replay.
    """

    @cached_property
    def turns(self) -> MetricCounter:
        return _counter("turns", "Turns of agents that ended", None)

    @cached_property
    def tool_calls(self) -> MetricCounter:
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

    def model_call(self, agent: str, model: str, usage: ModelUsage) -> None:
        """Emit an answered model call."""
        attributes = {"agent": agent, "model": model}
        self._model_calls.add(1, attributes)
        self._input_tokens.add(usage.input_tokens, attributes)
        self._output_tokens.add(usage.output_tokens, attributes)


def _counter(name: str, description: str, unit: str | None) -> MetricCounter:
    return workflow.metric_meter().create_counter(f"strands_temporal_{name}", description, unit)
