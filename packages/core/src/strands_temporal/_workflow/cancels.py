"""Counts the calls of `agent.cancel()`. A turn that is handed over stops without one."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from strands import Agent


@dataclass
class Cancels:
    """The calls of one agent's `cancel()`.

    Attributes:
        count: How many there were.
        message: The text that the latest one with a text gave for the final message.
    """

    count: int = 0
    message: str | None = None


_cancels: WeakKeyDictionary[Agent, Cancels] = WeakKeyDictionary()


def cancels_of(agent: Agent) -> Cancels:
    """Return the calls of an agent's `cancel()`."""
    return _cancels.setdefault(agent, Cancels())


def note_cancel(agent: Agent, message: str | None) -> None:
    """Count a call of an agent's `cancel()`."""
    cancels = cancels_of(agent)
    cancels.count += 1
    if message is not None:
        cancels.message = message
