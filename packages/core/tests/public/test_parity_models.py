"""Inside and outside a workflow, models get the same input, and their answers and failures are the same."""

import asyncio
from typing import Any, cast

import pytest
from packages.core.tests.public.parity_scenes import check, echo, shout
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.types.exceptions import (
    ContextWindowOverflowException,
    MaxTokensReachedException,
    ModelThrottledException,
)
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal.testing import (
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    fail,
    prompts,
    run_parity,
    say,
    use_tool,
)

pytestmark = pytest.mark.server


async def test_binary_content_reaches_the_model_as_bytes(
    client: Client, worker_options: dict[str, Any]
) -> None:
    picture: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n\x00\xff"}}}
    paper: Any = {"document": {"format": "txt", "name": "d", "source": {"bytes": b"plain ascii"}}}

    def look(call: ScriptedCall) -> Reply:
        image, document = cast("list[Any]", call.messages[0]["content"][1:])
        return say(f"{image['image']['source']['bytes']!r} {document['document']['source']['bytes']!r}")

    scenario = Scenario(
        script=lambda: ScriptedModel(look),
        build=lambda make: make(),
        drive=prompts([{"text": "look"}, picture, paper]),
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert parity.durable.text == "b'\\x89PNG\\r\\n\\x00\\xff' b'plain ascii'\n"


FAILURES = {
    "throttled": ModelThrottledException("slow down"),
    "overflow with nothing to trim": ContextWindowOverflowException("too long"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_model_errors_are_the_same_classes(
    client: Client, case: str, worker_options: dict[str, Any]
) -> None:
    scenario = Scenario(
        script=lambda: ScriptedModel(lambda call: fail(FAILURES[case])),
        build=lambda make: make(
            **(dict[str, Any](retry_policy=RetryPolicy(maximum_attempts=1)) if make.durable else {})
        ),
        drive=prompts("go"),
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert parity.durable.error is not None


async def test_max_tokens_raises_and_the_conversation_can_go_on(
    client: Client, worker_options: dict[str, Any]
) -> None:
    cut = Reply(
        (
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"delta": {"text": "half an ans"}}},
            {"contentBlockStop": {}},
            {"messageStop": {"stopReason": "max_tokens"}},
        )
    )

    async def drive(agent: Agent) -> AgentResult:
        with pytest.raises(MaxTokensReachedException):
            await agent.invoke_async("go")
        return await agent.invoke_async("go on")

    await check(
        client,
        Scenario(script=lambda: ScriptedModel(cut, echo), build=lambda make: make(), drive=drive),
        worker_options,
    )


async def test_overflow_is_trimmed_by_the_conversation_manager(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def small_window(call: ScriptedCall) -> Reply:
        if len(call.messages) > 3:
            return fail(ContextWindowOverflowException("too many messages"))
        return say(f"I see {len(call.messages)}")

    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(small_window),
            build=lambda make: make(conversation_manager=SlidingWindowConversationManager(window_size=4)),
            drive=prompts("1", "2", "3", "4"),
        ),
        worker_options,
    )


async def test_limits_and_cancel(client: Client, worker_options: dict[str, Any]) -> None:
    await check(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                lambda call: use_tool("shout", {"text": "a"}, tool_use_id=f"t{call.number}")
            ),
            build=lambda make: make(tools=[shout]),
            drive=prompts("go", limits={"turns": 2}),
        ),
        worker_options,
    )


async def test_events_of_stream_async_say_the_same(client: Client, worker_options: dict[str, Any]) -> None:
    async def drive(agent: Agent) -> AgentResult:
        text, result = "", None
        async for event in agent.stream_async("go"):
            text += event.get("data", "")
            result = event.get("result", result)
        assert isinstance(result, AgentResult)
        assert text == "you said: go", text
        await asyncio.sleep(0)
        return result

    await check(
        client,
        Scenario(script=lambda: ScriptedModel(echo), build=lambda make: make(), drive=drive),
        worker_options,
    )
