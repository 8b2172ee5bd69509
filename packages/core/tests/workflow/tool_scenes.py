"""What tests of tools share: no second attempt, and a model that says what a tool answered."""

from temporalio.common import RetryPolicy

from strands_temporal.testing import Reply, ScriptedCall, say

ONCE = RetryPolicy(maximum_attempts=1)


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")
