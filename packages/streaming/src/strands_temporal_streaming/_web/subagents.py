"""The sub-agents of one run, as AG-UI shows them. Nodes of graphs and swarms are steps instead."""

from collections.abc import Iterator

from ag_ui.core import (
    BaseEvent,
    SubagentErrorEvent,
    SubagentFinishedEvent,
    SubagentFinishedSuspendedOutcome,
    SubagentStartedEvent,
)

_NODE = "node:"


class Subagents:
    """Tells which sub-agent an event belongs to. A path of nodes alone is the run itself."""

    def __init__(self) -> None:
        self._active: dict[tuple[str, ...], str] = {}
        self._begun: dict[tuple[str, ...], int] = {}

    def run_id(self, path: tuple[str, ...]) -> str | None:
        """Return the id of the sub-agent at a path; None if it is the outermost agent, or is not known."""
        return self._active.get(_own(path))

    def started(self, path: tuple[str, ...], agent: str, tool_use_id: str | None) -> Iterator[BaseEvent]:
        """Map the start of a sub-agent. If it is active already, nothing is to be told."""
        own = _own(path)
        if not own or own in self._active:
            return
        number = self._begun[own] = self._begun.get(own, 0) + 1
        self._active[own] = f"{'/'.join(own)}#{number}"
        yield SubagentStartedEvent(
            subagent_run_id=self._active[own],
            name=agent or own[-1],
            parent_subagent_run_id=self._active.get(own[:-1]),
            parent_tool_call_id=tool_use_id,
        )

    def lazily(self, path: tuple[str, ...], agent: str) -> Iterator[BaseEvent]:
        """Start the sub-agent of an event if its start lies in an earlier run, or was lost."""
        yield from self.started(path, agent, None)

    def ended(self, path: tuple[str, ...], stop_reason: str | None, error: str | None) -> Iterator[BaseEvent]:
        """Map the end of a sub-agent, and of those inside it."""
        own = _own(path)
        if own not in self._active:
            return
        for inner in [each for each in reversed(self._active) if each[: len(own)] == own and each != own]:
            yield SubagentFinishedEvent(subagent_run_id=self._active.pop(inner))
        id_ = self._active.pop(own)
        if error:
            yield SubagentErrorEvent(subagent_run_id=id_, message=error)
        else:
            suspended = SubagentFinishedSuspendedOutcome() if stop_reason == "interrupt" else None
            yield SubagentFinishedEvent(subagent_run_id=id_, outcome=suspended)

    def close(self, *, suspended: bool) -> Iterator[BaseEvent]:
        """End all that are active: the run ends."""
        outcome = SubagentFinishedSuspendedOutcome() if suspended else None
        for own in reversed(list(self._active)):
            yield SubagentFinishedEvent(subagent_run_id=self._active.pop(own), outcome=outcome)


def _own(path: tuple[str, ...]) -> tuple[str, ...]:
    return () if all(step.startswith(_NODE) for step in path) else path
