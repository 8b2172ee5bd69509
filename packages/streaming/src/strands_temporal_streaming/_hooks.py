"""The hooks of an agent whose life is published, and of the agents that run inside its tools."""

from collections.abc import Callable
from typing import Any, TypeVar, cast
from weakref import WeakSet

from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    HookCallback,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from strands.middleware import ExecuteToolStage
from temporalio import workflow
from typing_extensions import override

from strands_temporal import TemporalModel
from strands_temporal.extension import observe_agents, run_local

from ._cut import RESULT_CHARACTERS, as_json, dumped, result_text
from ._deciding import Deciding
from ._decisions import DecisionHooks
from ._interventions import refused_decision
from ._life import AgentRun, Life, life
from ._life_types import StateChanged
from ._places import HERE, Place
from ._teams import register_team_hooks
from ._tools import run_tool
from ._turns import agent_ended, agent_started, turn_ended, turn_started
from ._types import DEFAULT_TOPIC, ToolCall, ToolResult

TEvent = TypeVar("TEvent")

_LAST = float("inf")

# Agents that were created at import may run in several workflows. So the hooks look for the current run's
# stream, and an agent gets them once.
_hooked: WeakSet[HookRegistry] = WeakSet()
_with_middleware: WeakSet[Agent] = WeakSet()


class LifeHooks(HookProvider):
    """The hooks of one agent, graph or swarm.

    Args:
        topic: Topic of the events if the agent is the outermost one; None is the agent's own.
        is_outermost: Whether the agent may be the outermost one.
        shows_state: Whether to publish changes of `agent.state`.
    """

    def __init__(
        self, topic: str | None = None, *, is_outermost: bool = True, shows_state: bool = False
    ) -> None:
        self._topic = topic
        self._is_outermost = is_outermost
        self._shows_state = shows_state

    @staticmethod
    def follow_all() -> None:
        """Follow the agents that begin inside other agents, from now on in this run."""
        current = life()
        if not (current.follows or current.is_former):
            current.follows = True
            observe_agents(_agent_begins)

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """See base class."""
        if registry in _hooked:
            return
        _hooked.add(registry)
        registry.add_callback(AgentInitializedEvent, self._initialized)
        registry.add_callback(BeforeInvocationEvent, _in_life(self._begins), order=_LAST)
        registry.add_callback(MessageAddedEvent, _in_life(self._message_added))
        registry.add_callback(BeforeModelCallEvent, _in_life(self._looks_at_state), order=_LAST)
        registry.add_callback(AfterToolCallEvent, _in_life(self._tool_ended), order=_LAST)
        registry.add_callback(AfterInvocationEvent, _in_life(self._ends), order=_LAST)
        DecisionHooks.register_hooks(registry)
        register_team_hooks(registry, self._place_of_team)

    def _initialized(self, event: AgentInitializedEvent) -> None:
        if workflow.in_workflow() and self._is_outermost:
            life().shows(event.agent)

    def _begins(self, current: Life, event: BeforeInvocationEvent) -> None:
        agent = event.agent
        _add_middleware(agent)
        run = current.runs.get(agent)
        if run is not None and (run.is_early or run.continues):
            run.is_early = run.continues = False
            return
        here = None if current.is_former else HERE.get()
        if here is None and not self._is_outermost:
            return
        begins = Place(self._topic_of(agent), outermost=agent.name)
        place = begins if here is None else here.of_agent(agent.name)
        run = AgentRun(place, here)
        if self._shows_state:
            run.state = _state_of(agent)
        current.runs_at(agent, run)
        HERE.set(place)
        if event.cancel:
            current.cancelled[agent] = event.cancel if isinstance(event.cancel, str) else ""
        if here is None:
            current.shows(agent)
            turn_started(current, event, place)
        else:
            agent_started(current, agent, place)

    def _message_added(self, current: Life, event: MessageAddedEvent) -> None:
        run = current.runs.get(event.agent)
        if run is None or event.message["role"] != "assistant":
            return
        for block in event.message["content"]:
            if "toolUse" in block:
                use = block["toolUse"]
                asked, cut = as_json(use["input"])
                call = ToolCall(use["name"], use["toolUseId"], asked, truncated=cut)
                current.publish(call, run.place, event.agent.name)

    def _tool_ended(self, current: Life, event: AfterToolCallEvent) -> None:
        run = current.runs.get(event.agent)
        if run is None or event.retry:
            return
        result, use = event.result, event.tool_use
        if (refused := refused_decision(result)) is not None:
            run_local(Deciding).asking.pop(use["toolUseId"], None)
            current.publish(refused, run.place, event.agent.name)
        text, whole = result_text(result), dumped(result["content"])
        content, cut = None, len(text) > RESULT_CHARACTERS
        if len(result["content"]) != 1 or "text" not in result["content"][0]:
            content, is_large = as_json(result["content"])
            cut = cut or (is_large and not current.is_former)
        # The message with the results follows when all tools of the step have ended.
        reference = f"{len(event.agent.messages)}/{use['toolUseId']}" if cut else None
        ended = ToolResult(
            use["name"],
            use["toolUseId"],
            result["status"],
            text[:RESULT_CHARACTERS],
            cut,
            content=content,
            size=len(whole.encode()),
            reference=reference,
        )
        current.publish(ended, run.place, event.agent.name)
        self._show_state(current, event.agent, run)

    def _looks_at_state(self, current: Life, event: BeforeModelCallEvent) -> None:
        if (run := current.runs.get(event.agent)) is not None:
            self._show_state(current, event.agent, run)

    def _ends(self, current: Life, event: AfterInvocationEvent) -> None:
        agent = event.agent
        run = current.runs.get(agent)
        if run is None:
            return
        self._show_state(current, agent, run)
        if event.resume is not None:  # the turn continues
            run.continues = True
            return
        del current.runs[agent]
        HERE.set(run.before)
        if run.before is None:
            turn_ended(current, agent, event.result, run.place)
        else:
            agent_ended(current, agent, event.result, run.place)

    def _show_state(self, current: Life, agent: Agent, run: AgentRun) -> None:
        if not self._shows_state:
            return
        before, now = run.state, _state_of(agent)
        changes = {key: value for key, value in now.items() if key not in before or before[key] != value}
        removed = tuple(key for key in before if key not in now)
        if not changes and not removed:
            return
        run.state = now
        shown, cut = dict[str, Any](), False
        for key, value in changes.items():
            shown[key], is_large = as_json(value)
            cut = cut or is_large
        event = StateChanged(changes=shown, removed=removed, truncated=cut)
        current.publish(event, run.place, agent.name)

    def _topic_of(self, agent: Agent) -> str:
        topic = self._topic
        if topic is None and isinstance(agent.model, TemporalModel):
            topic = agent.model.streaming_topic
        return topic or DEFAULT_TOPIC

    def _place_of_team(self) -> Place | None:
        """Return the place of a graph or swarm that begins; None if its life is not published."""
        here = HERE.get()
        if here is not None:
            return here
        return Place(self._topic or DEFAULT_TOPIC) if self._is_outermost else None


_FOLLOWED = LifeHooks(is_outermost=False)


def _agent_begins(agent: Agent) -> None:
    """Publish the life of an agent that begins inside another one. Core calls this for each agent."""
    here, current = HERE.get(), run_local(Life)
    if here is None or agent.hooks in _hooked:
        return
    _follow(agent)
    place = here.of_agent(agent.name)
    current.runs_at(agent, AgentRun(place, here, is_early=True))
    HERE.set(place)
    agent_started(current, agent, place)


def _follow(agent: Agent) -> None:
    if agent.hooks not in _hooked:
        _add_middleware(agent)
        agent.hooks.add_hook(_FOLLOWED)


def _add_middleware(agent: Agent) -> None:
    """Add the middleware once, when an agent begins: what people's approvals add before is outside of it."""
    if agent not in _with_middleware:
        _with_middleware.add(agent)
        agent.add_middleware(ExecuteToolStage, run_tool(_follow))


def _state_of(agent: Agent) -> dict[str, Any]:
    return cast("dict[str, Any]", agent.state.get()) or {}


def _in_life(callback: Callable[[Life, TEvent], None]) -> HookCallback[Any]:
    """Return a callback that does nothing outside of a workflow, or in a run without a stream."""

    def called(event: TEvent) -> None:
        if workflow.in_workflow() and (current := run_local(Life)).is_attached:
            callback(current, event)

    return called
