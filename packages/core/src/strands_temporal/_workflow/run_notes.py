"""Notes of what a run does, for plugins that show it. Nobody listens by default.

Core tells of model calls, of sub-agents in child workflows and of interventions. A plugin that asks people
tells of its questions. A note schedules nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast
from weakref import WeakSet

from strands import Agent
from strands.interventions import InterventionAction, InterventionHandler
from strands.interventions.actions import LifecycleEvent
from temporalio import workflow

from .._upstream.run_local import run_local


@dataclass(frozen=True)
class ModelCallNote:
    """A model call begins, has its answer, or failed for good.

    Attributes:
        call: Identity of the call. `ModelRequest.call` on the worker is the same.
        agent: The agent that calls; None if no agent does.
        model: Name of the model; None is the plugin's default.
        stop_reason: Strands' stop reason, once the answer is known.
        usage: Strands' `Usage` of the answer.
        metrics: Strands' `Metrics` of the answer.
        error: The error, if the call failed.
    """

    call: str
    agent: Agent | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: BaseException | None = None


@dataclass(frozen=True)
class QuestionNote:
    """A question to a person is asked, or decided.

    Attributes:
        id: Id of the question, with which it is decided.
        name: Name of the interrupt.
        reason: The interrupt's reason, as people see it.
        agent: Name of the agent that asks.
        tool_use_id: The tool call that waits, if it is a single one.
        deadline: Until when an answer is waited for, ISO 8601 in UTC.
        outcome: None if the question is asked now; else how it was decided.
        by: Who decided.
        at: When it was decided, ISO 8601 in UTC.
        answer: The interrupt's response. If a person edited the call, the arguments.
    """

    id: str
    name: str = ""
    reason: Any = None
    agent: str = ""
    tool_use_id: str | None = None
    deadline: str | None = None
    outcome: str | None = None
    by: str = ""
    at: str = ""
    answer: Any = None


@dataclass(frozen=True)
class ChildAgentNote:
    """A sub-agent in a child workflow has begun, or its child has ended.

    Attributes:
        agent: The agent that calls it.
        name: Name of the tool.
        tool_use_id: The call.
        workflow_id: Id of the child.
        run_id: Id of the child's run.
        stop_reason: Strands' stop reason, once the child has returned it; `interrupt` if the sub-agent asks.
        usage: Strands' `Usage` of the sub-agent's turn, once it is known.
        error: The error, if the child failed.
    """

    agent: Agent
    name: str
    tool_use_id: str
    workflow_id: str
    run_id: str
    stop_reason: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: BaseException | None = None


@dataclass(frozen=True)
class InterventionNote:
    """An intervention handler of a `TemporalAgent` has decided. Strands has not acted on it yet.

    Attributes:
        handler: The handler.
        event: The event that it decided about.
        action: Its decision; None if it raised an error.
        error: The error: an `InterruptException` if it asks a person itself.
    """

    handler: InterventionHandler
    event: LifecycleEvent
    action: InterventionAction | None = None
    error: Exception | None = None


RunNote: TypeAlias = ModelCallNote | QuestionNote | ChildAgentNote | InterventionNote


class _Listeners:
    """The listeners of one run, and the executors whose questions a plugin tells of."""

    def __init__(self) -> None:
        self.all: list[Callable[[RunNote], None]] = []
        self.told: WeakSet[object] = WeakSet()


def listen_to_notes(listener: Callable[[RunNote], None]) -> None:
    """Call `listener` with each note of this run of the workflow, from now on.

    Args:
        listener: Function of the workflow. It must not raise, and must be deterministic. It is called in the
            task, and with the context variables, of what it is told of.

    Raises:
        RuntimeError: If no event loop runs.
    """
    run_local(_Listeners).all.append(listener)


def tell_note(note: RunNote) -> None:
    """Tell the listeners of this run. Does nothing outside of a workflow."""
    if workflow.in_workflow():
        for listener in run_local(_Listeners).all:
            listener(note)


def tells_questions_of(executor: object) -> None:
    """Declare that the caller tells of the questions of an agent, a graph or a swarm in this run."""
    run_local(_Listeners).told.add(executor)


def are_questions_told(executor: object) -> bool:
    """Tell whether a plugin tells of the questions of an agent, a graph or a swarm."""
    return executor in run_local(_Listeners).told


class NotedCall:
    """A model call that is in progress."""

    def __init__(self, note: ModelCallNote) -> None:
        self.note = note

    def answered(self, events: Sequence[Any]) -> None:
        """Tell of the answer.

        Args:
            events: Strands `StreamEvent`s, encoded.
        """
        reason, metadata = "", dict[str, Any]()
        for event in cast("Sequence[dict[str, Any]]", events):
            reason = event.get("messageStop", {}).get("stopReason") or reason
            metadata = event.get("metadata") or metadata
        tell_note(
            replace(
                self.note,
                stop_reason=str(reason),
                usage=metadata.get("usage") or {},
                metrics=metadata.get("metrics") or {},
            )
        )


@contextlib.contextmanager
def noted_call(call: str, agent: Agent | None, model: str | None) -> Generator[NotedCall]:
    """Tell that a model call begins, and if the block raises, that it failed."""
    noted = NotedCall(ModelCallNote(call, agent, model))
    tell_note(noted.note)
    try:
        yield noted
    except (Exception, asyncio.CancelledError) as error:
        tell_note(replace(noted.note, error=error))
        raise
