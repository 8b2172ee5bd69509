"""The base class of everything that replaces a name in one of Strands' modules."""

from typing import Any


class StandIn:
    """Wraps a module, class or function. A subclass replaces some of the original's names."""

    of_an_answer = False
    """Whether the ids that this stand-in draws belong to the model answer that the agent works on."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
