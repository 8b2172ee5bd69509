"""The context of a call whose activity has no parameter for it."""

import threading
from typing import Any

import pytest

from strands_temporal._worker.tool_context import begin_call
from strands_temporal.activity import ToolContext, tool_context


class Call:
    key = "k"
    attempt = 2
    same_process = True
    cancel_signal = threading.Event()

    def report(self, context: ToolContext, value: Any) -> None:
        raise AssertionError


def test_a_context_that_did_not_cross_has_the_call_and_names_what_it_lacks() -> None:
    begin_call([], Call(), {"toolUseId": "t1", "name": "pay"})
    context = tool_context()
    assert (context.tool_use["name"], context.idempotency_key, context.attempt) == ("pay", "k", 2)
    assert not hasattr(context, "state")
    assert getattr(context, "invocation_state", None) is None
    with pytest.raises(RuntimeError, match=r"that has .answers.\. Give the activity a parameter"):
        context.interrupt("approval")
