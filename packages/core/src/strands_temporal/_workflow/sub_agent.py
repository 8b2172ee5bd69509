"""`SubAgentTask` and `SubAgentResult`: the input and the result of a child workflow with a sub-agent.

Both cross between workflows, so they are in histories: fields are only added, with defaults. A child that
pauses for an answer ends, and its result has its questions and its carry. The answer starts the child again.
So no child is open while people think, and its caller may continue as new meanwhile.
"""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.types.tools import ToolResultContent

from .._errors import AgentTypeError, AgentValueError
from .._upstream.run_local import run_local
from .._wire.reading import read_as
from .._wire.values import decode, encode, encode_any
from .._wire.versions import check_wire_version
from .asked_calls import AskedCalls, SubAgentQuestion
from .carry import AgentCarry, pack
from .decided_calls import DecidedCall, keep_to
from .idempotency import Origin

SUB_AGENT_VERSION = 1
"""Version of the layout of `SubAgentTask` and `SubAgentResult`."""


@dataclass(frozen=True)
class SubAgentResult:
    """The result that a sub-agent in a child workflow returns to its caller. Make it with `SubAgentTask.run`.

    Attributes:
        stop_reason: Strands' reason for the end of the sub-agent's turn.
        content: Content of the tool result for the caller's model, encoded.
        cancelled: Whether somebody cancelled the sub-agent inside the child.
        interrupts: The questions that the sub-agent asks, each with `id`, `name`, `reason`, and `call` (the
            tool call that asks).
        carry: The sub-agent, if it asks, or if its caller keeps its conversation.
        origin: If it asks: the child that began the turn, for the idempotency keys of its tool calls.
        version: Layout of this value.
        usage: Strands' `Usage` of the sub-agent's own model calls in this turn.
    """

    stop_reason: str = "end_turn"
    content: list[Any] = field(default_factory=list[Any])
    cancelled: bool = False
    interrupts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    carry: AgentCarry | None = None
    origin: list[str] = field(default_factory=list[str])
    version: int = SUB_AGENT_VERSION
    usage: dict[str, int] = field(default_factory=dict[str, int])

    @classmethod
    def of(
        cls,
        agent: Agent,
        result: AgentResult,
        *,
        keep: bool = False,
        cancelled: bool = False,
        delegate: bool = False,
    ) -> Any:
        """Return the result for the caller when a turn has ended.

        Args:
            agent: The sub-agent.
            result: The result of its turn.
            keep: Whether the caller keeps the sub-agent's conversation: `SubAgentTask.keep`.
            cancelled: Whether the sub-agent's cancel signal was set.
            delegate: Whether the answer is the caller's answer: `SubAgentTask.delegate`.

        Raises:
            CarryTooLargeError: If the sub-agent asks, and is too large for another run.
        """
        asked = [
            {"id": one.id, "name": one.name, "reason": encode_any(one.reason)}
            for one in result.interrupts or ()
        ]
        asks = result.stop_reason == "interrupt"
        return cls(
            stop_reason=str(result.stop_reason),
            content=[] if asks else encode(_content(result, delegate)),
            cancelled=cancelled and result.stop_reason == "cancelled",
            interrupts=asked if asks else [],
            carry=pack(agent) if keep or asks else None,
            origin=run_local(Origin).of_calls() if asks else [],
            usage=_usage_of(result),
        )

    @classmethod
    def from_value(cls, value: Any) -> "SubAgentResult | None":
        """Return the result that a child returned, as its caller gets it; None for any other value.

        Raises:
            ApplicationError: If a newer release made the result.
        """
        if isinstance(value, cls):  # from a user's own payload converter
            return value
        if not isinstance(value, dict) or not {"stop_reason", "content"} <= cast("Any", value).keys():
            return None
        wire = cast("dict[str, Any]", value)
        check_wire_version(
            "A sub-agent's result", wire.get("version", 1), SUB_AGENT_VERSION, in_workflow=True
        )
        if isinstance(wire.get("carry"), dict):
            wire = {**wire, "carry": read_as(AgentCarry, wire["carry"])}
        return read_as(cls, wire)

    def asked(self, prefix: str) -> list[Interrupt]:
        """Return the questions for the caller, with ids that begin with `prefix`."""
        return [_raised(prefix, one) for one in self.interrupts]


@dataclass(frozen=True)
class SubAgentTask:
    """The task that an agent gives to a child workflow. Make it the argument of the child's run method.

    The child builds its agent with `carry=task.carry`, and returns `await task.run(agent)`. A sub-agent that
    asks ends the child. The answer starts the child again, and its agent goes on where it paused.

    Attributes:
        prompt: The input that the caller's model wrote.
        carry: The sub-agent's conversation so far. None for a new one.
        answers: Answers to the sub-agent's questions, as Strands' `interruptResponse` blocks, encoded.
        keep: Whether the caller keeps the sub-agent's conversation for the next call.
        origin: If there are answers: the `origin` of the result that asked.
        delegate: Whether the sub-agent's answer ends the caller's turn, and is its answer.
        version: Layout of this value.
        decided: People's decisions on the calls that asked, if a plugin asked them. If a call has changed
            since, people are asked again.
    """

    prompt: str = ""
    carry: AgentCarry | None = None
    answers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keep: bool = False
    origin: list[str] = field(default_factory=list[str])
    version: int = SUB_AGENT_VERSION
    delegate: bool = False
    decided: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def input(self) -> Any:
        """The argument for `agent.invoke_async`: the prompt, or the answers to the agent's questions."""
        return decode(self.answers) if self.answers else self.prompt

    async def run(self, agent: Agent, **kwargs: Any) -> SubAgentResult:
        """Run the sub-agent, and return the result for its caller. Runs in the child workflow.

        Args:
            agent: The sub-agent, built with `carry=task.carry`.
            **kwargs: Further arguments of `agent.invoke_async`.

        Raises:
            AgentTypeError: If `agent` is not a Strands agent.
            AgentValueError: If there are answers, and the agent does not wait for any.
            CarryTooLargeError: If the sub-agent asks, and is too large for another run.
            Exception: Any exception of the agent.
        """
        check_wire_version("A sub-agent's task", self.version, SUB_AGENT_VERSION, in_workflow=True)
        if not isinstance(cast("Any", agent), Agent):
            raise AgentTypeError(f"SubAgentTask.run: {agent!r} is not an agent. Give a TemporalAgent")
        if self.answers and not _waits(agent):
            raise AgentValueError(
                f"SubAgentTask.run: the task brings an answer, and {agent.name!r} waits for none. Build the "
                "agent with the conversation that the task brings: TemporalAgent(..., carry=task.carry)"
            )
        if self.origin:
            run_local(Origin).take_over(self.origin)
        result, cancelled, calls = None, False, AskedCalls(agent)
        if self.decided:
            keep_to(agent, [DecidedCall.from_wire(one) for one in self.decided])
        async for event in agent.stream_async(self.input, **kwargs):
            calls.hear(event)
            if "result" in event:  # the agent clears its signal after this event
                result, cancelled = event["result"], agent.cancel_signal.is_set()
        if result is None:
            raise AgentValueError(f"SubAgentTask.run: {agent.name!r} did not produce a result")
        ended = SubAgentResult.of(agent, result, keep=self.keep, cancelled=cancelled, delegate=self.delegate)
        return replace(ended, interrupts=calls.named(ended.interrupts))


def _usage_of(result: AgentResult) -> dict[str, int]:
    latest = result.metrics.latest_agent_invocation
    counts: dict[str, Any] = dict(latest.usage) if latest else {}
    return {name: count for name, count in counts.items() if type(count) is int}


def _raised(prefix: str, asked: dict[str, Any]) -> Interrupt:
    id_, reason = f"{prefix}{asked['id']}", decode(asked["reason"])
    if call := asked.get("call"):
        return SubAgentQuestion(id_, asked["name"], reason, call)
    return Interrupt(id_, asked["name"], reason)


def _content(result: AgentResult, delegate: bool) -> list[ToolResultContent]:
    """Return the content of the tool result that `agent.as_tool()` makes (1.62: _agent_as_tool.py:290)."""
    if result.structured_output:
        return [{"json": result.structured_output.model_dump(mode="json")}]
    if delegate:
        blocks = [block for one in result.message["content"] if (block := _delegated(one)) is not None]
        return blocks or [{"text": str(result).rstrip("\n")}]
    return [{"text": str(result)}]


def _delegated(block: Any) -> ToolResultContent | None:
    """Return a block of a delegate's answer as a block of a tool result; None if it has no such form."""
    if "text" in block:
        return {"text": block["text"]}
    if "json" in block:
        return {"json": block["json"]}
    cited = [one["text"] for one in block.get("citationsContent", {}).get("content", []) if "text" in one]
    return {"text": "\n".join(cited)} if cited else None


def _waits(agent: Agent) -> bool:
    """Tell whether an agent waits for answers. Calls the base class, as `TemporalAgent` refuses snapshots."""
    return Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]["activated"]
