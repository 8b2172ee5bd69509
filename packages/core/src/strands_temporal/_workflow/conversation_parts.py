"""What other packages add to each `Conversation`: a person's answers, a stream of events.

A package declares a `ConversationPart` in the entry point group `strands_temporal.conversation_parts`. The
plugin loads these classes when it configures a worker, because workflow code cannot look for packages.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar

from strands import Agent
from strands.agent.agent_result import AgentResult
from temporalio import workflow
from temporalio.exceptions import TemporalError

from .._wire.conversations import ConversationStatus
from .._wire.extras import check_extra
from .carry import AgentCarry
from .conversation_turns import Answer, Sent, Turns
from .failures import construction_error

GROUP = "strands_temporal.conversation_parts"
"""Entry point group of the classes. The name of an entry point is the name of the package's extra."""

APPROVALS = "hitl"
"""Name of the part that `Conversation(approvals=...)` is for."""


class ConversationPart:
    """What a package adds to a conversation. Made in the workflow's `__init__`, after the agent.

    Args:
        agent: The conversation's agent, as its maker returned it. It has not been restored yet.
        carried: What `carry` returned in the previous run; None in the first run.
        make: The user's function for this part (`approvals=`), or None.
    """

    runs_agent: ClassVar[bool] = False
    """Whether the conversation calls the agent with this part's `run`."""

    def __init__(self, agent: Agent, carried: Any = None, make: Callable[[Any], Any] | None = None) -> None:
        pass

    async def run(
        self, agent: Agent, prompt: Any, *, stop_waiting_when: Callable[[], bool], **kwargs: Any
    ) -> AgentResult:
        """Run one turn of the agent, and answer the interrupts that this part can answer.

        Args:
            agent: The agent.
            prompt: As for `agent.invoke_async`. None if the agent goes on with a turn of the previous run.
            stop_waiting_when: Returns true if the method should return without the answers.
            **kwargs: As for `agent.invoke_async`, in each call of it.
        """
        raise NotImplementedError(f"{type(self).__name__}.run")

    def turn_started(self, request: str, turn: int, message: Any) -> None:
        """Take note that a message begins its turn, or that the turn that runs takes it along ("steer").

        It is called once for each message, in the run of the workflow in which the message's turn begins.

        Args:
            request: Id of the message's request; empty if it has none.
            turn: Number of the turn.
            message: The message as it was sent, in JSON values.
        """

    def turn_ended(self, turn: int, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Take note that a turn has ended.

        Args:
            turn: Number of the turn.
            answers: The answer to each of its messages, by the id of the request: `{"result": ...}` with the
                fields of a `TurnResult`, or `{"error": {"type", "message"}}`.
        """

    def status(self) -> ConversationStatus | None:
        """Return what the conversation waits for because of this part, or None."""
        return None

    def detach(self) -> None:
        """Let go of clients that wait: the workflow is about to end or to continue as new."""

    def carry(self, *agent_carries: AgentCarry) -> Any:
        """Return JSON values for this part in the next run.

        Args:
            *agent_carries: The carry of the agent, which goes into the same input.
        """
        return None


PART_CLASSES: dict[str, type[ConversationPart]] = {}
"""The classes of the installed packages, by the name of the extra. The same for all workers of a process."""


@cache
def load_parts() -> None:
    """Load the classes of the installed packages, once in a process. Call it on the worker."""
    for entry_point in entry_points(group=GROUP):
        if entry_point.name not in PART_CLASSES:
            PART_CLASSES[entry_point.name] = entry_point.load()


def _may_run_agents(name: str) -> bool:
    """Tell whether this run has a part that runs the agent. A run stays as it began: a marker records it.

    Without the marker a worker that gets the package later would do other things in a replay.
    """
    return workflow.patched(f"strands-temporal-conversation-{name}")


def _made(part: type[ConversationPart], agent: Agent, carried: Any, option: Any) -> ConversationPart:
    """Make a part. What the user's function raises ends the workflow, as with the agent's maker."""
    try:
        return part(agent, carried, option)
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error


class ConversationParts:
    """The parts of one conversation.

    Args:
        agent: The conversation's agent.
        carried: What `carry` returned in the previous run.
        approvals: The conversation's option `approvals`.

    Raises:
        MissingExtraError: If there is a function for a part whose package is not installed.
    """

    def __init__(self, agent: Agent, carried: dict[str, Any], approvals: Any) -> None:
        if callable(approvals) and APPROVALS not in PART_CLASSES:
            check_extra(APPROVALS, "Conversation(approvals=...)")
        self._parts: dict[str, ConversationPart] = {}
        for name, part in sorted(PART_CLASSES.items()):
            option = approvals if name == APPROVALS else None
            if option is not False and (not part.runs_agent or _may_run_agents(name)):
                self._parts[name] = _made(part, agent, carried.get(name), option)

    @property
    def runner(self) -> ConversationPart | None:
        """The part that runs the agent, if there is one."""
        return next((part for part in self._parts.values() if part.runs_agent), None)

    def turn_started(self, sent: Sent, turn: int) -> None:
        """Tell the parts that a message begins its turn, or joins the one that runs."""
        for part in self._parts.values():
            part.turn_started(sent.id, turn, sent.message)

    def end_turn(self, turns: Turns, answer: Callable[[Sent], Answer]) -> None:
        """End the turn that runs, and tell the parts the answers to its messages."""
        messages = [*([turns.running] if turns.running else ()), *turns.joined]
        turns.end(answer)
        answers = {sent.id: sent.answer.to_json() for sent in messages if sent.answer is not None}
        for part in self._parts.values():
            part.turn_ended(turns.turn, answers)

    def status(self) -> ConversationStatus | None:
        """Return what the conversation waits for, or None."""
        return next((status for part in self._parts.values() if (status := part.status())), None)

    def detach(self) -> None:
        """Let go of clients that wait."""
        for part in self._parts.values():
            part.detach()

    def carry(self, agent: AgentCarry) -> dict[str, Any]:
        """Return JSON values for the parts in the next run, by name."""
        return {name: part.carry(agent) for name, part in self._parts.items()}
