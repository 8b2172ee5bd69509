"""The agent's state as an activity sees it: a copy. Changes travel back to the workflow."""

from typing import Any

from strands.agent.state import AgentState
from typing_extensions import override

from .values import encode_any


class ActivityAgentState(AgentState):
    """The agent's state as an activity sees it: a copy. Changes travel back with the result."""

    def __init__(self, state: dict[str, Any], *, writable: bool) -> None:
        super().__init__(state)
        self._writable = writable
        self._changed: dict[str, None] = {}  # in the order of the changes

    @override
    def set(self, key: str, value: Any) -> None:
        """Set a value: in this copy at once, and in the agent's state when the activity has succeeded."""
        self._check_writable()
        super().set(key, value)
        self._changed[key] = None

    @override
    def delete(self, key: str) -> None:
        """Delete a key: in this copy at once, and in the agent's state when the activity has succeeded."""
        self._check_writable()
        super().delete(key)
        self._changed[key] = None

    def patch(self) -> dict[str, Any] | None:
        """Return the changes in the format of `ToolOutcome.state`; None if there are none."""
        state: dict[str, Any] = self.get()
        changed = {key: encode_any(state[key]) for key in self._changed if key in state}
        removed = [key for key in self._changed if key not in state]
        return {name: part for name, part in {"set": changed, "delete": removed}.items() if part} or None

    def _check_writable(self) -> None:
        if not self._writable:
            raise RuntimeError(
                "An activity in a process pool cannot change the agent's state: it has a copy that nobody "
                "reads. Make the activity async, or run it in a thread pool"
            )
