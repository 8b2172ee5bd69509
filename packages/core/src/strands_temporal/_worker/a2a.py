"""The activity that calls a remote agent over the A2A protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strands import Agent
from strands.agent.base import AgentBase
from temporalio import activity
from temporalio.exceptions import ApplicationError

from .._wire.a2a import A2A_ACTIVITY, A2A_FACTORY_FAILED, A2A_VERSION, A2AAnswer, A2ACall
from .._wire.model_call import RESULT_TOO_LARGE
from .._wire.values import decode, encode_any
from .factories import NamedFactories
from .handles import operation
from .results import check_result

A2AAgentFactory = Callable[[], AgentBase]
"""Makes a client of a remote agent on the worker, when the agent is first called."""


class A2AAgents:
    """`invoke_a2a_agent`, for the remote agents of one plugin.

    Args:
        agents: Factories of Strands' `A2AAgent` by name. None means no agents.
        made: Called after a factory has made an agent: it may be the first to import Strands' class.

    Raises:
        TypeError: If `agents` is not a mapping, a name is not a string, or a factory cannot be called.
        ValueError: If a name is empty.
    """

    def __init__(self, agents: Mapping[str, A2AAgentFactory] | None, made: Callable[[], None]) -> None:
        self._made = made
        given: Any = agents
        for name, factory in given.items() if isinstance(given, Mapping) else ():
            if isinstance(factory, AgentBase) and not isinstance(factory, type):  # it can be called
                raise TypeError(
                    f"StrandsPlugin(a2a_agents=...): {name!r} is an agent. Give a function that makes it: "
                    f"a2a_agents={{{name!r}: lambda: A2AAgent(endpoint='https://...')}}"
                )
        self._agents = NamedFactories[Any](
            "A2A agent",
            "StrandsPlugin(a2a_agents=...)",
            agents,
            AgentBase,
            A2A_FACTORY_FAILED,
            "A2AAgent(endpoint='https://...')",
        )

    @property
    def factories(self) -> Mapping[str, A2AAgentFactory]:
        """The factories by name. Two plugins with equal factories are configured alike."""
        return self._agents.factories

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activity."""
        return [self.invoke_a2a_agent]

    def clear(self) -> None:
        """Drop the clients that factories made. Called when the worker ends."""
        self._agents.clear()

    @activity.defn(name=A2A_ACTIVITY)
    async def invoke_a2a_agent(self, sent: dict[str, Any]) -> dict[str, Any]:
        """Send one message to a remote agent, and return its answer."""
        call = A2ACall.from_wire(sent)
        with operation("A call of an A2A agent", call.version, A2A_VERSION):
            agent: Any = await self._agents.get_async(call.agent)
            self._made()
            if isinstance(agent, Agent):
                raise ApplicationError(
                    f"StrandsPlugin(a2a_agents=...): {call.agent!r} is a strands.Agent, whose conversation "
                    "all workflows would share. Build it in the workflow, as a TemporalAgent; a2a_agents= is "
                    "for A2AAgent(endpoint=...)",
                    type=A2A_FACTORY_FAILED,
                    non_retryable=True,
                )
            result = await agent.invoke_async(decode(call.prompt))
            state: Any = result.state if isinstance(result.state, dict) else {}
            answer = A2AAnswer(encode_any(result.message), str(result.stop_reason), encode_any(state))
            wire = answer.to_wire()
            advice = "Have the remote agent return less, or a reference"
            await check_result(f"The answer of A2A agent {call.agent!r}", wire, RESULT_TOO_LARGE, advice)
            return wire
