"""An agent over continue-as-new: what is carried, and requests that are sent again."""

import asyncio
import base64
import uuid
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.carry_scenes import (
    CarriedInput,
    HandsOver,
    delete_file,
    hand_over,
    next_run,
)
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.types.content import Messages
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry, AgentValueError, CarryTooLargeError, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import AnsweredUpdates, DeduplicatedUpdates, activity_as_tool

pytestmark = pytest.mark.server


# --- The guide's chat, which carries its messages


@dataclass
class ChatInput:
    messages: Messages = field(default_factory=list[Any])


@workflow.defn
class ChatWorkflow:
    def __init__(self) -> None:
        self._done = False
        self._handover = False
        self._lock = asyncio.Lock()
        self._agent: TemporalAgent | None = None

    @workflow.update
    async def turn(self, prompt: str) -> str:
        await workflow.wait_condition(lambda: self._agent is not None)
        async with self._lock:
            assert self._agent is not None
            result = await self._agent.invoke_async(prompt)
            return str(result).strip()

    @workflow.signal
    def end_chat(self) -> None:
        self._done = True

    @workflow.signal
    def hand_over(self) -> None:  # stands in for the server's suggestion
        self._handover = True

    @workflow.query
    def messages(self) -> Messages:
        return list(self._agent.messages) if self._agent else []

    @workflow.run
    async def run(self, input: ChatInput) -> None:
        self._agent = TemporalAgent(
            model="m", start_to_close_timeout=timedelta(seconds=60), messages=list(input.messages)
        )
        await workflow.wait_condition(lambda: self._done or self._handover)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._done:
            workflow.continue_as_new(ChatInput(messages=self._agent.messages))


async def test_the_guides_chat_goes_on_over_continue_as_new(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say(f"{call.text} of {len(call.messages)}"))
    async with agents(workflows=[ChatWorkflow], models={"m": lambda: model}) as env:
        handle = await env.start(ChatWorkflow.run, ChatInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        assert await chat.execute_update(ChatWorkflow.turn, "one") == "one of 1"
        await chat.signal(ChatWorkflow.hand_over)
        await next_run(chat, handle.first_execution_run_id)
        assert await chat.execute_update(ChatWorkflow.turn, "two") == "two of 3"
        messages = await chat.query(ChatWorkflow.messages)
        assert [m["content"][0]["text"] for m in messages] == ["one", "one of 1", "two", "two of 3"]
        await chat.signal(ChatWorkflow.end_chat)
        await chat.result()
        await env.assert_replays(handle)
        await env.assert_replays(chat)


# --- A carried agent


@workflow.defn
class CarriedWorkflow(HandsOver):
    @workflow.init
    def __init__(self, input: CarriedInput) -> None:
        self._updates = DeduplicatedUpdates(input.updates)
        self._agent = TemporalAgent(
            "m",
            carry=input.carry,
            tools=[activity_as_tool(delete_file)],
            conversation_manager=SlidingWindowConversationManager(window_size=4),
            system_prompt="Be brief.",
            state={"turns": 0},
            callback_handler=None,
        )

    @workflow.update
    async def turn(self, prompt: str) -> dict[str, Any]:
        return await self._updates.run_once(lambda: self._turn(prompt))

    @workflow.update
    async def resume(self, response: str) -> dict[str, Any]:
        result = self._pending
        return await self._turn(
            [{"interruptResponse": {"interruptId": i, "response": response}} for i in result]
        )

    @property
    def _pending(self) -> list[str]:
        return list(self._agent.state.get("pending") or [])

    async def _turn(self, prompt: Any) -> dict[str, Any]:
        result = await self._agent.invoke_async(prompt)
        self._agent.state.set("turns", self._agent.state.get("turns") + 1)
        self._agent.state.set("pending", [interrupt.id for interrupt in result.interrupts or ()])
        return {
            "text": str(result).strip(),
            "stop": result.stop_reason,
            "turns": self._agent.state.get("turns"),
            "tokens": result.metrics.accumulated_usage["totalTokens"],
            "cycles": result.metrics.cycle_count,
        }

    @workflow.run
    async def run(self, input: CarriedInput) -> None:
        await self.until_handed_over()
        workflow.continue_as_new(CarriedInput(self._agent.carry(), self._updates.carry()))


def answer(call: ScriptedCall) -> Reply:
    if call.text == "delete it":
        return use_tool("delete_file", {"path": "x"}, tool_use_id=f"t{call.number}")
    return say(f"{call.text} | {len(call.messages)} | {call.system_prompt}")


async def test_conversation_state_usage_and_window_are_carried_over_three_runs(agents: Agents) -> None:
    model = ScriptedModel(answer)
    plain = Agent(
        ScriptedModel(answer),
        conversation_manager=SlidingWindowConversationManager(window_size=4),
        system_prompt="Be brief.",
        callback_handler=None,
    )
    async with agents(
        workflows=[CarriedWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        handle = await env.start(CarriedWorkflow.run, CarriedInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        for number, prompt in enumerate(["a", "b", "c", "d"], start=1):
            if number > 1:
                await hand_over(chat)
            seen = await chat.execute_update(CarriedWorkflow.turn, prompt)
            local = await plain.invoke_async(prompt)
            assert seen == {
                "text": str(local).strip(),
                "stop": "end_turn",
                "turns": number,
                "tokens": local.metrics.accumulated_usage["totalTokens"],
                "cycles": local.metrics.cycle_count,
            }
        await env.assert_replays(handle)
        await env.assert_replays(chat)
        await chat.terminate()


async def test_a_pending_interrupt_survives_and_is_answered_in_the_next_run(agents: Agents) -> None:
    model = ScriptedModel(answer)
    async with agents(
        workflows=[CarriedWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        handle = await env.start(CarriedWorkflow.run, CarriedInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        assert (await chat.execute_update(CarriedWorkflow.turn, "delete it"))["stop"] == "interrupt"
        await hand_over(chat)
        resumed = await chat.execute_update(CarriedWorkflow.resume, "yes")
        assert resumed["stop"] == "end_turn"
        assert "deleted x: yes" in resumed["text"]
        await chat.terminate()
    assert len(model.calls) == 2  # the call that asked for the tool was not repeated


async def test_a_request_sent_again_after_continue_as_new_is_answered_and_not_done_again(
    agents: Agents,
) -> None:
    model = ScriptedModel(answer)
    async with agents(
        workflows=[CarriedWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        handle = await env.start(CarriedWorkflow.run, CarriedInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        request = f"request-{uuid.uuid4()}"
        first = await chat.execute_update(CarriedWorkflow.turn, "once", id=request)
        assert await chat.execute_update(CarriedWorkflow.turn, "once", id=request) == first
        await hand_over(chat)
        assert await chat.execute_update(CarriedWorkflow.turn, "once", id=request) == first
        assert (await chat.execute_update(CarriedWorkflow.turn, "again", id="another"))["turns"] == 2
        await chat.terminate()
    assert len(model.calls) == 2


async def test_the_former_names_of_deduplicated_updates_still_work() -> None:
    async def answer() -> str:
        return "answered"

    assert await AnsweredUpdates().once(answer) == "answered"  # outside of an update nothing is kept


def test_answered_updates_keep_the_latest() -> None:
    assert DeduplicatedUpdates({"a": 1, "b": 2}).carry() == {"a": 1, "b": 2}
    with pytest.raises(AgentValueError, match="keep=0"):
        DeduplicatedUpdates(keep=0)


# --- What cannot be carried


@workflow.defn
class LargeWorkflow:
    @workflow.run
    async def run(self, case: str) -> None:
        agent = TemporalAgent("m", callback_handler=None)
        if case == "too large":
            noise = base64.b64encode(workflow.random().randbytes(1_500_000)).decode()
            agent.messages.append({"role": "user", "content": [{"text": noise}]})
            workflow.continue_as_new(agent.carry())
        if case == "both":
            TemporalAgent("m", carry=agent.carry(), messages=[{"role": "user", "content": [{"text": "x"}]}])
        if case == "damaged":
            TemporalAgent("m", carry=AgentCarry("bm90IGEgY2Fycnk="))
        if case == "question of a sub-agent":
            clerk = TemporalAgent("m", name="clerk", tools=[activity_as_tool(delete_file)])
            host = TemporalAgent("m", tools=[clerk.as_tool(name="clerk", preserve_context=True)])
            await host.invoke_async("go")
            TemporalAgent("m", carry=host.carry())
        if case == "newer":
            TemporalAgent("m", carry=AgentCarry("", version=99))
        if case == "not a carry":
            TemporalAgent("m", carry=agent_dict(agent))
        if case == "in a turn":
            task = asyncio.create_task(agent.invoke_async("go"))
            await asyncio.sleep(0)
            try:
                agent.carry()
            finally:
                await task


def agent_dict(agent: TemporalAgent) -> Any:
    return {"data": agent.carry().data}


CASES = {
    "question of a sub-agent": ("AgentValueError", ["a question of the sub-agent 'clerk'", "as_tool"]),
    "too large": ("AgentValueError", ["bytes (1 messages)", "1,900,000", "Trim"]),
    "both": ("AgentValueError", ["messages= and carry="]),
    "damaged": ("AgentValueError", ["damaged"]),
    "newer": ("AgentValueError", ["version 99", "Upgrade"]),
    "not a carry": ("AgentTypeError", ["is not of type AgentCarry"]),
    "in a turn": ("AgentValueError", ["while a turn is running"]),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_cannot_be_carried_ends_the_workflow_with_a_typed_error(agents: Agents, case: str) -> None:
    expected_type, said = CASES[case]
    model = ScriptedModel(say("x"))
    if case == "question of a sub-agent":
        model = ScriptedModel(use_tool("clerk", {"input": "go"}), use_tool("delete_file", {"path": "x"}))
    async with agents(
        workflows=[LargeWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(LargeWorkflow.run, case)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == ("CarryTooLarge" if case == "too large" else expected_type)
    for part in said:
        assert part in cause.message


def test_a_carry_is_small_and_says_its_size() -> None:
    agent = TemporalAgent("m", callback_handler=None)
    text = "the same words again and again " * 1000
    picture: Any = {"image": {"format": "png", "source": {"bytes": b"\x00\xff"}}}
    agent.messages.append({"role": "user", "content": [{"text": text}, picture]})
    carry = agent.carry()
    assert len(carry.data) < len(text) / 10
    assert repr(carry) == f"AgentCarry({len(carry.data):,} bytes)"
    assert TemporalAgent("m", carry=carry, callback_handler=None).messages == agent.messages
    assert issubclass(CarryTooLargeError, AgentValueError)
