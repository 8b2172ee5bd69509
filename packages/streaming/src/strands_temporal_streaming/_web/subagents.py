"""The sub-agents of one run, as AG-UI shows them. Nodes of graphs and swarms are steps instead."""

from collections.abc import Iterator

from ag_ui.core import (
    BaseEvent,
    SubagentErrorEvent,
    SubagentFinishedEvent,
    SubagentFinishedSuspendedOutcome,
    SubagentStartedEvent,
)

from .._life_types import AgentEnded, AgentStarted

_NODE = "node:"

_Key = tuple[tuple[str, ...], str | None]
"""The path of a sub-agent, and the tool call that runs it. Several calls may run agents of one name."""


class Subagents:
    """Tells which sub-agent an event belongs to. A path of nodes alone is the run itself."""

    def __init__(self) -> None:
        self._active: dict[_Key, str] = {}
        self._begun: dict[tuple[str, ...], int] = {}

    def run_id(self, path: tuple[str, ...]) -> str | None:
        """Return the id of the sub-agent at a path; None if it is the outermost agent, or is not known."""
        own = _own(path)
        return next((id_ for (at, _), id_ in reversed(self._active.items()) if at == own), None)

    def started(self, event: AgentStarted) -> Iterator[BaseEvent]:
        """Map the start of a sub-agent. If it is active already, nothing is to be told."""
        if _own(event.path) and (_own(event.path), event.tool_use_id) not in self._active:
            yield self._started(event.path, event.agent, event.tool_use_id, event.workflow_id)

    def lazily(self, path: tuple[str, ...], agent: str) -> Iterator[BaseEvent]:
        """Start the sub-agent of an event if its start lies in an earlier run, or was lost."""
        if _own(path) and self.run_id(path) is None:
            yield self._started(path, agent, None)

    def ended(self, event: AgentEnded) -> Iterator[BaseEvent]:
        """Map the end of a sub-agent, and of those inside it."""
        own = _own(event.path)
        key = (own, event.tool_use_id)
        if key not in self._active:  # it began lazily: nobody knows its call
            key = next((each for each in self._active if each[0] == own and None in (each[1], key[1])), None)
        if key is None:
            return
        alone = not any(at == own for at, _ in self._active.keys() - {key})
        for inner in [each for each in reversed(self._active) if alone and _is_inside(each[0], own)]:
            yield SubagentFinishedEvent(subagent_run_id=self._active.pop(inner))
        id_ = self._active.pop(key)
        if event.error:
            yield SubagentErrorEvent(subagent_run_id=id_, message=event.error)
        else:
            suspended = SubagentFinishedSuspendedOutcome() if event.stop_reason == "interrupt" else None
            yield SubagentFinishedEvent(subagent_run_id=id_, outcome=suspended)

    def close(self, *, suspended: bool) -> Iterator[BaseEvent]:
        """End all that are active: the run ends."""
        outcome = SubagentFinishedSuspendedOutcome() if suspended else None
        for key in reversed(list(self._active)):
            yield SubagentFinishedEvent(subagent_run_id=self._active.pop(key), outcome=outcome)

    def _started(
        self, path: tuple[str, ...], agent: str, tool_use_id: str | None, workflow_id: str = ""
    ) -> BaseEvent:
        own = _own(path)
        number = self._begun[own] = self._begun.get(own, 0) + 1
        id_ = self._active[own, tool_use_id] = f"{'/'.join(own)}#{number}"
        return SubagentStartedEvent(
            subagent_run_id=id_,
            name=agent or own[-1],
            parent_subagent_run_id=self.run_id(own[:-1]),
            parent_tool_call_id=tool_use_id,
            metadata={"strands_temporal": {"workflowId": workflow_id}} if workflow_id else None,
        )


def _is_inside(path: tuple[str, ...], outer: tuple[str, ...]) -> bool:
    return path[: len(outer)] == outer and path != outer


def _own(path: tuple[str, ...]) -> tuple[str, ...]:
    return () if all(step.startswith(_NODE) for step in path) else path
