"""Shared by the tests of tools: options for a single attempt, and a model that repeats a tool's answer."""

from temporalio.common import RetryPolicy

from strands_temporal.testing import Reply, ScriptedCall, say

ONCE = RetryPolicy(maximum_attempts=1)


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")
