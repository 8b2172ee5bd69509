"""Shared by the tests of sizes."""

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal.testing import Reply, ScriptedCall, say

KB, MB = 1_000, 1_000_000


def results(call: ScriptedCall) -> Reply:
    """Answer with the tools' results."""
    blocks = [block["toolResult"] for block in call.messages[-1]["content"] if "toolResult" in block]
    return say(" | ".join(str(block["content"][0].get("text")) for block in blocks))


def failure_of(error: WorkflowFailureError) -> ApplicationError:
    assert isinstance(error.cause, ApplicationError)
    return error.cause
