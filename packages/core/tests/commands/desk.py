"""A desk for the tests of the command line: a user's module with an agent that does each kind of step.

The commands import it by its name, as they import a user's file.
"""

import asyncio
from datetime import timedelta
from typing import Any

from strands import tool
from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

TOKENS = (100, 7)
"""Input and output tokens of each answer that says something."""


@activity.defn
async def find_order(number: str) -> str:
    """Find an order. The first attempt fails."""
    if activity.info().attempt == 1:
        raise ApplicationError("the shop is closed", type="Closed")
    return f"order {number}: one lamp"


@activity.defn
async def refund(number: str, tool_context: ToolContext) -> str:
    """Refund an order, if a person agrees."""
    if tool_context.interrupt("refund", reason=f"refund order {number}?") != "yes":
        return "not refunded"
    return f"refunded order {number}"


@activity.defn
async def break_down(number: str) -> str:
    """Fail."""
    raise ValueError("the printer burns")


@activity.defn
async def keep_failing(number: str) -> str:
    """Fail for ever."""
    raise ApplicationError("the line is down", type="Down")


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def answer(call: ScriptedCall) -> Reply:
    """Call the tool that the prompt names, then say what it returned."""
    if "toolResult" in call.messages[-1]["content"][-1]:
        return say(f"got {call.text}", usage=TOKENS)
    match call.text.split():
        case ["find", number]:
            return use_tool("find_order", {"number": number})
        case ["refund", number]:
            return use_tool("refund", {"number": number})
        case ["break", number]:
            return use_tool("break_down", {"number": number})
        case ["call", number]:
            return use_tool("keep_failing", {"number": number})
        case ["both", number]:
            return use_tools(
                [("add", {"a": 1, "b": 2}, "add-1"), ("find_order", {"number": number}, "find-1")]
            )
        case _:
            return say(f"heard {call.text[:40]}", usage=TOKENS)


@workflow.defn
class Desk:
    @workflow.init
    def __init__(self, carry: AgentCarry | None = None) -> None:
        retry = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)
        for_ever = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1)
        self._agent = TemporalAgent(
            "claude",
            name="desk",
            tools=[
                add,
                activity_as_tool(find_order, retry_policy=retry),
                activity_as_tool(refund),
                activity_as_tool(break_down, retry_policy=retry),
                activity_as_tool(keep_failing, retry_policy=for_ever),
            ],
            callback_handler=None,
            carry=carry,
        )
        self._lock = asyncio.Lock()
        self._wanted = ""
        self._questions: list[str] = []

    @workflow.run
    async def run(self, carry: AgentCarry | None = None) -> str:
        await workflow.wait_condition(lambda: bool(self._wanted) and workflow.all_handlers_finished())
        if self._wanted == "continue":
            workflow.continue_as_new(self._agent.carry())
        return "closed"

    @workflow.update
    async def ask(self, prompt: str) -> str:
        return await self._invoke(prompt)

    @workflow.update
    async def answer(self, response: str) -> str:
        answers: Any = [
            {"interruptResponse": {"interruptId": question, "response": response}}
            for question in self._questions
        ]
        return await self._invoke(answers)

    async def _invoke(self, prompt: Any) -> str:
        async with self._lock:
            result = await self._agent.invoke_async(prompt)
            self._questions = [interrupt.id for interrupt in result.interrupts or ()]
            return "asks" if self._questions else str(result).strip()

    @workflow.signal
    def go(self, wanted: str) -> None:
        """Continue as new, or end."""
        self._wanted = wanted


workflows = [Desk]
activities = [find_order, refund, break_down, keep_failing]
