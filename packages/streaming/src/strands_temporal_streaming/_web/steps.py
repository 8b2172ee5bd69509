"""The nodes of graphs and swarms that run, as AG-UI's steps."""

from collections.abc import Iterator

from ag_ui.core import BaseEvent, StepFinishedEvent, StepStartedEvent

from .._life_types import NodeEnded, NodeStarted


class Steps:
    """The steps of one run."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def started(self, event: NodeStarted) -> Iterator[BaseEvent]:
        """Map the start of a node."""
        self._open.append(_name(event))
        yield StepStartedEvent(step_name=self._open[-1])

    def ended(self, event: NodeEnded) -> Iterator[BaseEvent]:
        """Map the end of a node."""
        yield from self._finished(_name(event))

    def close(self) -> Iterator[BaseEvent]:
        """End all that are open: the run ends."""
        while self._open:
            yield from self._finished(self._open[-1])

    def _finished(self, name: str) -> Iterator[BaseEvent]:
        if name in self._open:
            self._open.remove(name)
            yield StepFinishedEvent(step_name=name)


def _name(event: NodeStarted | NodeEnded) -> str:
    return "/".join(event.path) or event.node
