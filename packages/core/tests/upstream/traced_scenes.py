"""An agent whose spans and counts are compared with a plain agent's, in a module that the sandbox reloads."""

import asyncio
from datetime import timedelta
from typing import Any

from strands import tool
from strands.multiagent import GraphBuilder
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

QUESTIONS = ["How many letters?", "And who knows?"]


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count a letter in a word."""
    return word.count(letter)


@tool
def broken(word: str) -> int:
    """Fail."""
    raise RuntimeError(f"cannot count {word}")


begun, let_go = asyncio.Event(), asyncio.Event()


@activity.defn
async def take_a_look(what: str) -> str:
    """Look at something, once the test lets it go on."""
    begun.set()
    await let_go.wait()
    return f"seen: {what}"


def answer(call: ScriptedCall) -> Reply:
    """Ask for three tools at the first question, and for the other agent at the second."""
    if call.text == QUESTIONS[0]:
        letters = {"word": "tree", "letter": "e"}
        wanted = [("letter_counter", letters, "l"), ("take_a_look", {"what": "tea"}, "t")]
        return use_tools([*wanted, ("broken", {"word": "x"}, "b")])
    if call.text == QUESTIONS[1]:
        return use_tool("expert", {"input": "Who knows?"})
    return say("I do").after(0.3)


def build(make: Any, look: Any) -> Any:
    """Build the agent with `make`, which takes Strands' arguments and a model's name."""
    expert = make("m", name="expert", description="Knows.")
    tools = [letter_counter, broken, look, expert.as_tool()]
    return make("m", name="host", tools=tools, trace_attributes={"tenant": "blue"}, system_prompt="Be brief.")


def team(make: Any) -> Any:
    """Build a graph of one agent."""
    builder = GraphBuilder()
    builder.add_node(make("m", name="alone"), "node")
    builder.set_max_node_executions(5)
    return builder.build()


def in_workflow(model: str, **options: Any) -> Any:
    """Make an agent in a workflow."""
    return TemporalAgent(model, callback_handler=None, **options)


class Asking:
    """Asks the agent each question, at a signal for each."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[str] = []

    async def ask_all(self) -> list[str]:
        """Ask."""
        look = activity_as_tool(take_a_look, start_to_close_timeout=timedelta(seconds=3))
        agent = build(in_workflow, look)
        for number, question in enumerate(QUESTIONS):
            await workflow.wait_condition(lambda number=number: self.asked > number)
            self.answers.append(str(await agent.invoke_async(question)))
            self.check()
        await team(in_workflow).invoke_async("And you?")
        return self.answers

    def check(self) -> None:
        """Do nothing."""

    @workflow.signal
    def ask(self) -> None:
        """Ask the next question."""
        self.asked += 1

    @workflow.query
    def said(self) -> int:
        """Tell how many answers there are."""
        return len(self.answers)


@workflow.defn
class Traced(Asking):
    """Asks the questions."""

    @workflow.run
    async def run(self) -> list[str]:
        """Ask."""
        return await self.ask_all()


failed: list[str] = []
"""Bugs of workflow tasks, outside of the sandbox."""


@workflow.defn(sandboxed=False)
class Failing(Asking):
    """Asks the questions. The workflow task that gets the first answer fails twice, and is tried again."""

    @workflow.run
    async def run(self) -> list[str]:
        """Ask."""
        return await self.ask_all()

    def check(self) -> None:
        """Raise what is no failure of the workflow."""
        if len(failed) < 2:
            failed.append("a bug, which a deploy repairs")
            raise LookupError(failed[-1])
