"""The workflow of a run: a conversation with every kind of tool, and the same agent without Temporal."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strands import Agent, tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from strands.vended_tools import shell
from temporalio import activity, workflow

from strands_temporal import ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import (
    Conversation,
    TemporalSandbox,
    TemporalTools,
    activity_as_hook,
    activity_as_tool,
)
from strands_temporal_mcp import TemporalMCPClient

QUESTION = "pay for "
TOPIC = "events"


@tool
def count(word: str) -> str:
    """Count the letters of a word."""
    return f"{word} has {len(word)} letters"


@tool
def convert(word: str) -> str:
    """Turn a word around, on the worker."""
    return word[::-1]


@activity.defn(name="audit")
async def audit(word: str) -> None:
    """Take note of a payment."""


class Gate(HookProvider):
    """Asks a person before each payment."""

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        registry.add_callback(BeforeToolCallEvent, self._gate)

    def _gate(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "pay":
            reason = f"{QUESTION}{event.tool_use['input']['word']}"
            if event.interrupt("payment", reason=reason) is not True:
                event.cancel_tool = "refused"


def _word_of(event: Any) -> str:
    return event.tool_use["input"]["word"]


class Audit(HookProvider):
    """Runs an activity after each payment."""

    def __init__(self) -> None:
        self._audit: Any = activity_as_hook(audit, activity_input=_word_of)

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        registry.add_callback(AfterToolCallEvent, self._after)

    async def _after(self, event: AfterToolCallEvent) -> None:
        if event.tool_use["name"] == "pay":
            await self._audit(event)


@activity.defn(name="note")
def note(word: str, tool_context: ToolContext) -> str:
    """Write a word down."""
    raise NotImplementedError  # the worker has the activity; a workflow needs its signature


@activity.defn(name="pay")
async def pay(word: str, tool_context: ToolContext) -> str:
    """Pay for a word."""
    raise NotImplementedError


def noted(word: str) -> str:
    """Return what `note` answers."""
    return f"{word} is written down"


def paid(word: str) -> str:
    """Return what `pay` answers."""
    return f"{word} is paid"


def make_agent(**_: Any) -> TemporalAgent:
    """Make the agent of a conversation."""
    helper = TemporalAgent(
        "script",
        name="helper",
        tools=[activity_as_tool(note)],
        streaming_topic=TOPIC,
        callback_handler=None,
    )
    return TemporalAgent(
        "script",
        tools=[
            activity_as_tool(note),
            activity_as_tool(pay),
            count,
            TemporalTools("convert"),
            TemporalMCPClient("sums"),
            helper.as_tool(description="Helps."),
            shell,
        ],
        sandbox=TemporalSandbox("box", rerun_commands=True),
        hooks=[Gate(), Audit()],
        streaming_topic=TOPIC,
        callback_handler=None,
    )


@workflow.defn
class Soak:
    """One run: a conversation that continues as new after so many events."""

    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self._events: int = start.arguments["events"]
        self.chat = Conversation(start, make_agent, hand_over_when=self._is_long)

    def _is_long(self) -> bool:
        return self._events > 0 and workflow.info().get_current_history_length() > self._events

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        """Lead the conversation until it is closed."""
        return await self.chat.run()


@tool(name="note")
def plain_note(word: str) -> str:
    """Write a word down."""
    return noted(word)


@tool(name="pay")
async def plain_pay(word: str) -> str:
    """Pay for a word."""
    return paid(word)


def plain_agent(model: Any, sandbox: Any, mcp_tools: Sequence[Any]) -> Agent:
    """Make the same agent without Temporal, for the expected transcript."""
    helper = Agent(model, name="helper", tools=[plain_note], callback_handler=None)
    helps = helper.as_tool(description="Helps.")
    tools: list[Any] = [plain_note, plain_pay, count, convert, *mcp_tools, helps, shell]
    return Agent(model, tools=tools, sandbox=sandbox, hooks=[Gate()], callback_handler=None)


def box_of(folder: Path, workflow_id: str) -> Path:
    """Return the directory of a conversation's sandbox."""
    return folder / "boxes" / workflow_id
