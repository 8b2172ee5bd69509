"""Handlers that tell what they decide: Strands sees the same handlers."""

from typing import Any

import pytest
from strands.hooks import BeforeToolCallEvent
from strands.interventions import Deny, InterventionHandler, OnError

from strands_temporal._workflow.interventions import told_of


class Guard(InterventionHandler):
    """Decides about tool calls."""

    @property
    def name(self) -> str:
        return "guard"

    @property
    def on_error(self) -> OnError:
        return "deny"

    def before_tool_call(self, event: BeforeToolCallEvent, **kwargs: Any) -> Any:
        if str(event) == "crash":
            raise ValueError("no policy")
        return Deny(reason=str(event))


async def test_strands_sees_the_same_handler() -> None:
    (told,) = told_of([Guard()])
    assert (told.name, told.on_error, type(told).__name__) == ("guard", "deny", "Guard")
    assert type(told).before_tool_call is not InterventionHandler.before_tool_call
    assert (
        type(told).after_tool_call is InterventionHandler.after_tool_call
    )  # Strands calls what is overridden
    event: Any = "a call"
    decided: Any = told.before_tool_call(event)
    assert await decided == Deny(reason="a call")
    event = "crash"
    failed: Any = told.before_tool_call(event)
    with pytest.raises(ValueError, match="no policy"):
        await failed


def test_what_is_no_handler_is_left_to_strands() -> None:
    wrong: Any = object()
    assert told_of([wrong]) == [wrong]
