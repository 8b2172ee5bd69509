"""The types of a call of a remote agent over the A2A protocol, and the names that both ends use."""

from dataclasses import dataclass, field
from typing import Any

from .reading import read_as
from .values import set_fields

A2A_ACTIVITY = "invoke_a2a_agent"
"""Activity type of a call of a remote agent."""

A2A_FACTORY_FAILED = "A2AAgentFactoryFailed"
A2A_VERSION = 1
"""Version of the layout of `A2ACall` and `A2AAnswer`. It increases when a field changes its meaning."""


@dataclass(frozen=True)
class A2ACall:
    """One message to a remote agent: the argument of `invoke_a2a_agent`.

    It is sent as the dict that `to_wire` returns, which has only the fields that are set.

    Attributes:
        agent: Name of the agent in `StrandsPlugin(a2a_agents=...)`.
        prompt: Text, messages or content blocks as Strands takes them, encoded.
        version: Layout of this value.
    """

    agent: str
    prompt: Any = None
    version: int = A2A_VERSION

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the worker."""
        return set_fields(self)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "A2ACall":
        """Return the call that was sent as `wire`."""
        return read_as(cls, wire)


@dataclass(frozen=True)
class A2AAnswer:
    """A remote agent's answer: the result of `invoke_a2a_agent`.

    Attributes:
        message: Strands message, encoded.
        stop_reason: Strands' stop reason: "interrupt" if the remote agent waits for an input.
        state: Strands' state of the remote task, encoded, for example `a2a_task_state`.
        version: Layout of this value.
    """

    message: Any
    stop_reason: str = "end_turn"
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    version: int = A2A_VERSION

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the workflow."""
        return set_fields(self)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "A2AAnswer":
        """Return the answer that was sent as `wire`."""
        return read_as(cls, wire)
