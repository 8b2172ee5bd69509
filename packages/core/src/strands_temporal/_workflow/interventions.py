"""Tells plugins what the intervention handlers of an agent decide."""

import inspect
from collections.abc import Sequence
from typing import Any, cast

from strands.interventions import InterventionHandler, OnError
from typing_extensions import override

from .run_notes import InterventionNote, tell_note

_METHODS = (
    "before_invocation",
    "before_tool_call",
    "after_tool_call",
    "before_model_call",
    "after_model_call",
)


def told_of(handlers: Sequence[InterventionHandler]) -> list[InterventionHandler]:
    """Return handlers that decide as the given ones do, and tell of it (`InterventionNote`).

    What is no handler stays, so that Strands refuses it.
    """
    return [_told(one) if isinstance(cast("Any", one), InterventionHandler) else one for one in handlers]


class _Told(InterventionHandler):
    """A handler that has another one decide. Its subclasses override what the other one's class overrides.

    Strands looks for that in the class, and calls only those methods.
    """

    def __init__(self, handler: InterventionHandler) -> None:
        self._handler = handler

    @property
    @override
    def name(self) -> str:
        """The other handler's."""
        return self._handler.name

    @property
    @override
    def on_error(self) -> OnError:
        """The other handler's."""
        return self._handler.on_error

    async def _decide(self, method: str, event: Any, **kwargs: Any) -> Any:
        try:
            action = getattr(self._handler, method)(event, **kwargs)
            action = await action if inspect.isawaitable(action) else action
        except Exception as error:
            tell_note(InterventionNote(self._handler, event, error=error))
            raise
        tell_note(InterventionNote(self._handler, event, action))
        return action


def _told(handler: InterventionHandler) -> InterventionHandler:
    kind = type(handler)
    methods = {
        name: _method(name)
        for name in _METHODS
        if getattr(kind, name, None) is not getattr(InterventionHandler, name)
    }
    return type(kind.__name__, (_Told,), methods)(handler)


def _method(name: str) -> Any:
    async def decide(self: _Told, event: Any, **kwargs: Any) -> Any:
        return await self._decide(name, event, **kwargs)  # pyright: ignore[reportPrivateUsage]  # of this class

    return decide
