"""Shared by the tests of parity: tools, and models that say what they read."""

from typing import Any

from strands import tool
from temporalio.client import Client

from strands_temporal.testing import Reply, Scenario, ScriptedCall, run_parity, say


@tool
async def shout(text: str) -> str:
    """Shout."""
    return text.upper()


def echo(call: ScriptedCall) -> Reply:
    return say(f"you said: {call.text}", chunk=3)


async def check(client: Client, scenario: Scenario, worker_options: dict[str, Any]) -> None:
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert parity.durable.given, "the model was never called"
