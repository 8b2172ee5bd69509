"""Finds the agents that a tool builds or calls itself, and identifies the agent that asks.

Such a tool has no `agent` attribute: Strands' vended `subagent` and `swarm`, the `subagent` of
strands-harness, a user's function that awaits an agent.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from strands import Agent
from strands.interrupt import Interrupt
from strands.types.tools import ToolUse

from ._turn import Asked

if TYPE_CHECKING:
    from ._watch import Watch


class RunningCall:
    """A tool call while it runs.

    Args:
        former: The same call before its agent paused, if it did.
        watch: Watches an agent. Gets the agent, and the agent's position in the call, which is the same at
            each attempt.
        known: Agents that are already watched: the caller, and the agent behind an agent's tool.
    """

    def __init__(
        self,
        former: "RunningCall | None",
        watch: Callable[[Agent, str], None],
        known: tuple[object, ...],
    ) -> None:
        self.agents: list[Agent] = former.agents if former else []
        """The agents that began inside the call."""
        self.heard: dict[str, ToolUse] = former.heard if former else {}
        """The calls that asked inside, by the ids of their questions."""
        self._watch = watch
        self._known = known

    def began(self, agent: Agent) -> None:
        """Watch an agent that begins a turn inside the call."""
        if any(agent is each for each in self._known):
            return
        at = next((i for i, each in enumerate(self.agents) if each is agent), len(self.agents))
        if at == len(self.agents):
            self.agents.append(agent)
        self._watch(agent, f"agent {at + 1}")

    def hear(self, data: Any) -> None:
        """Process an event of the tool's agents that the tool yields."""
        if not isinstance(data, Mapping):
            return
        event = cast("Mapping[str, Any]", data)
        if isinstance(event.get("agent"), Agent):  # events of a model's answer name the agent
            self.began(event["agent"])
        if "tool_interrupt_event" in event:
            raised = event["tool_interrupt_event"]
            self.heard.update({each.id: raised["tool_use"] for each in raised["interrupts"]})
        if event.get("type") == "multiagent_node_stream":
            self.hear(event.get("event"))


_RUNNING: ContextVar[RunningCall | None] = ContextVar("strands_temporal_hitl_running_call", default=None)


def agent_begins(agent: Agent) -> None:
    """Watch an agent that begins inside a watched call. Core calls this for each agent."""
    call = _RUNNING.get()
    if call is not None:
        call.began(agent)


async def inside(call: RunningCall, events: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Yield a tool's events. `call` is the running call only while the tool itself runs."""
    iterator = aiter(events)
    while True:
        token = _RUNNING.set(call)
        try:
            event = await anext(iterator)
        except StopAsyncIteration:
            return
        finally:
            _RUNNING.reset(token)
        yield event


def subject_of(interrupt: Interrupt, waiting: "list[Watch]", heard: Mapping[str, ToolUse]) -> Asked:
    """Return the subject of a question of a call inside which agents wait.

    If the tool hid the events of its agents, or asks a question of its own, it is about all of their open
    calls.

    Args:
        interrupt: The question. The tool may have put a prefix before the id of the agent's question. The
            vended `swarm` raises a question of its own, with that id as its name.
        waiting: The watches of the agents that wait.
        heard: The calls that asked, by the ids of the agents' questions.
    """
    ids = [each for watch in waiting for each in watch.waits_with if _is_about(interrupt, each)]
    id_ = max(ids, key=len, default=None)
    asking = [watch for watch in waiting if id_ in watch.waits_with] or waiting
    if id_ is not None and len(asking) == 1:
        if known := asking[0].raised(id_):
            return known
        if id_ in heard:
            return asking[0].asked_before(heard[id_])
    places = [(*watch.place, each) for watch in asking for each in watch.open_calls()]
    calls = [call for watch in asking for call in watch.open_calls().values()]
    agent, outer = asking[0].name, asking[0].outer
    if len(calls) == 1:
        return Asked(agent, outer, calls[0], places=places, tool_use_id=places[0][-1])
    return Asked(agent, outer, calls=calls, places=places)


def _is_about(interrupt: Interrupt, inner_id: str) -> bool:
    return interrupt.id.endswith(inner_id) or interrupt.name == inner_id
