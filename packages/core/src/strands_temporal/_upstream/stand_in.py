"""The base class of everything that replaces a name in one of Strands' modules."""

from typing import Any


class StandIn:
    """A module (or what else has a name) seen through a few changed functions; all else is its own."""

    of_an_answer = False
    """Whether what it draws belongs to the answer of a model that is being worked on."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
