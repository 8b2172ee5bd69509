"""Shared by the tests of conversations: workflows with a chat, and helpers that follow their runs."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from strands import ToolContext, tool
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    TemporalAgent,
    TurnHandedOverError,
)
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, say, use_tool
from strands_temporal.workflow import Conversation, ConversationOptions, client_tool


class Order(BaseModel):
    product: str
    count: int = 1


@tool
def look_up(number: int) -> str:
    """Look something up."""
    return f"looked up {number}"


def noise(size: int, seed: int = 0) -> str:
    """Return `size` characters that do not compress."""
    parts = (hashlib.sha512(f"{seed}.{n}".encode()).digest() for n in range(size // 85 + 1))
    return base64.b64encode(b"".join(parts)).decode()[:size]


@tool(context=True)
def hoard(size: int, tool_context: ToolContext) -> str:
    """Keep something large for the rest of the turn."""
    tool_context.invocation_state["hoard"] = noise(size)
    return "kept"


def read_file(path: str) -> str:
    """Read a file on the user's machine."""
    return f"content of {path}"


def make_reader() -> TemporalAgent:
    """Make an agent that reads files of a client."""
    return TemporalAgent("m", tools=[client_tool(read_file)], callback_handler=None)


def make_hoarder() -> TemporalAgent:
    """Make an agent whose turns become large."""
    return TemporalAgent("m", tools=[look_up, hoard], callback_handler=None)


def make_agent(name: str = "chat") -> TemporalAgent:
    """Make the agent of the chats below."""
    if name == "broken":
        raise KeyError("no such thing")
    soon = timedelta(seconds=1)  # how soon a model call notices that it is cancelled
    return TemporalAgent("m", name=name, tools=[look_up], callback_handler=None, heartbeat_timeout=soon)


@tool(context=True)
def confirm(text: str, tool_context: ToolContext) -> str:
    """Ask the person."""
    return f"the person said {tool_context.interrupt('confirm', reason={'text': text})}"


def make_asker() -> TemporalAgent:
    """Make an agent that asks people, and has a tool of a client."""
    return TemporalAgent("m", tools=[confirm, client_tool(read_file)], callback_handler=None)


def make_caller() -> TemporalAgent:
    """Make an agent with a sub-agent."""
    inner = TemporalAgent("m", name="researcher", callback_handler=None)
    return TemporalAgent("m", name="caller", tools=[inner.as_tool(name="research")], callback_handler=None)


def make_structured() -> TemporalAgent:
    """Make an agent with an output model."""
    return TemporalAgent("m", structured_output_model=Order, callback_handler=None)


def history_is_long() -> bool:
    """Stand in for the server's suggestion to continue as new."""
    return workflow.info().get_current_history_length() > 12


OPTIONS: dict[str, ConversationOptions] = {
    "plain": {},
    "hands over": {"hand_over_when": history_is_long},
    "always hands over": {"hand_over_when": lambda: True},
    "reject": {"while_busy": "reject"},
    "steer": {"while_busy": "steer"},
    "two turns": {"max_turns": 2},
    "small budget": {"max_tokens": 40},
    "typed": {"input_model": Order},
    "soon idle": {"idle_timeout": timedelta(seconds=1)},
    "one step": {"limits": {"turns": 1}},
    "nobody answers": {"approvals": False, "hand_over_when": history_is_long},
}


@dataclass(frozen=True)
class ChatStart(ConversationStart):
    """A start with values of the user's own, which stay over continue-as-new."""

    options: str = "plain"
    maker: str = ""
    ballast: str = ""


@workflow.defn
class BusyChat:
    """A chat whose workflow has a slow handler of its own."""

    @workflow.init
    def __init__(self, start: ChatStart) -> None:
        self.chat = Conversation(start, make_agent, **OPTIONS[start.options])
        self.go_on = False

    @workflow.update
    async def slow(self) -> str:
        await workflow.wait_condition(lambda: self.go_on)
        return "slow"

    @workflow.signal
    def end_slow(self) -> None:
        self.go_on = True

    @workflow.run
    async def run(self, start: ChatStart) -> ConversationEnd:
        return await self.chat.run()


@workflow.defn
class Chat:
    """A chat with the options that its start names."""

    @workflow.init
    def __init__(self, start: ChatStart) -> None:
        makers = {
            "caller": make_caller,
            "structured": make_structured,
            "hoarder": make_hoarder,
            "reader": make_reader,
            "asker": make_asker,
        }
        maker = makers.get(start.maker, make_agent)
        self.chat = Conversation(start, maker, **OPTIONS[start.options])

    @workflow.run
    async def run(self, start: ChatStart) -> ConversationEnd:
        return await self.chat.run()


def answer(call: ScriptedCall) -> Reply:
    """Answer what was asked; "tools 3" calls a tool three times first."""
    words = call.prompt.split()
    if words[0] == "tools":
        done = sum("toolUse" in block for m in _turn_of(call) for block in m["content"])
        if done < int(words[1]):
            return use_tool("look_up", {"number": done}, tool_use_id=f"t{len(call.messages)}")
    return say(f"{call.prompt} of {len(call.messages)}")


def _turn_of(call: ScriptedCall) -> list[Any]:
    """Return the messages of the current turn."""
    starts = [
        at
        for at, message in enumerate(call.messages)
        if message["role"] == "user" and not any("toolResult" in block for block in message["content"])
    ]
    return list(call.messages[starts[-1] :])


class Held:
    """A model's answer that waits until the test lets it go."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()

    async def wait(self) -> None:
        """Tell the test that the model was asked, and wait."""
        self.asked.set()
        await asyncio.wait_for(self.let_go.wait(), 20)


async def start_chat(
    env: AgentEnvironment, options: str = "plain", maker: str = "", ballast: str = ""
) -> ConversationClient:
    """Start a chat and return its client."""
    handle = await env.start(Chat.run, ChatStart(options=options, maker=maker, ballast=ballast))
    return ConversationClient(env.client, handle.id)


async def runs_of(client: Client, workflow_id: str) -> "list[WorkflowHandle[Any, Any]]":
    """Return the runs of a workflow, the first one first."""
    current = client.get_workflow_handle(workflow_id)
    description = await current.describe()
    history = await client.get_workflow_handle(workflow_id, run_id=description.run_id).fetch_history()
    run_id = history.events[0].workflow_execution_started_event_attributes.first_execution_run_id
    runs: list[WorkflowHandle[Any, Any]] = []
    while run_id:
        runs.append(client.get_workflow_handle(workflow_id, run_id=run_id))
        history = await runs[-1].fetch_history()
        last = history.events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return runs


async def replay_all(env: AgentEnvironment, workflow_id: str) -> int:
    """Replay the first and the last runs of a workflow, and return how many there were."""
    runs = await runs_of(env.client, workflow_id)
    for run in [*runs[:2], *runs[2:][-2:]]:
        await env.assert_replays(run)
    return len(runs)


async def until(condition: Callable[[], Any]) -> Any:
    """Wait at most ten seconds for a condition, which may be async."""
    for _ in range(1000):
        if result := await condition():
            return result
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true")


async def is_taken(chat: ConversationClient, update: str) -> bool:
    """Tell whether a chat's workflow has begun an update."""
    events = (await chat.handle.fetch_history()).events
    taken = [event.workflow_execution_update_accepted_event_attributes for event in events]
    return any(each.accepted_request.input.name == update for each in taken)


async def is_handing_over(chat: ConversationClient) -> bool:
    """Tell whether a chat has sent a waiting client to its next run."""
    events = (await chat.handle.fetch_history()).events
    ended = [event.workflow_execution_update_completed_event_attributes for event in events]
    failures = [each.outcome.failure.application_failure_info.type for each in ended]
    return TurnHandedOverError.failure_type in failures


def texts(messages: list[Any]) -> list[str]:
    """Return the text of each message's last block."""
    return [message["content"][-1].get("text", "") for message in messages]
