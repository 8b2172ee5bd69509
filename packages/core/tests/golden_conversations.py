"""Conversations with histories in the tree, and the script that records them. Never change what they do.

Each release replays the histories of all earlier releases (`histories/`). To record those of this release,
under names of its own:

    uv run python -m packages.core.tests.golden_conversations
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from packages.core.tests.golden import HISTORIES, add, remember, weather
from packages.core.tests.workflow.conversation_scenes import Held, runs_of, until
from temporalio import workflow
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import (
    AgentDefinition,
    ClientToolRefusedError,
    ClientTools,
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    StrandsPlugin,
    TemporalAgent,
)
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    fail,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import (
    Conversation,
    ConversationOptions,
    activity_as_tool,
    client_tool,
)

RECORDED_BY = "core-0.1.0"


def make_agent() -> TemporalAgent:
    """Make the agent of the chats."""
    tools = [add, remember, activity_as_tool(weather)]
    return TemporalAgent(
        "scripted", name="golden", system_prompt="Be brief.", tools=tools, callback_handler=None
    )


@client_tool
def read_file(path: str) -> str:
    """Read a file on the user's machine."""
    raise NotImplementedError


def make_reader(tone: str) -> TemporalAgent:
    """Make the agent "reader", whose tool a client runs."""
    tools = [read_file, add]
    return TemporalAgent("scripted", system_prompt=f"Be {tone}.", tools=tools, callback_handler=None)


def in_the_first_run() -> bool:
    """Hand over once, from the midst of a turn."""
    info = workflow.info()
    return info.continued_run_id is None and info.get_current_history_length() > 30


def is_long() -> bool:
    """Hand over between turns, with what waits."""
    return workflow.info().get_current_history_length() > 40


OPTIONS: dict[str, ConversationOptions] = {
    "queue": {"hand_over_when": is_long, "approvals": False},
    "steer": {"while_busy": "steer", "max_turns": 3, "max_tokens": 10_000, "approvals": False},
    "handed-over": {"hand_over_when": in_the_first_run, "limits": {"turns": 20}, "approvals": False},
}


@dataclass(frozen=True)
class GoldenStart(ConversationStart):
    """A start with a value of the user's own."""

    kind: str = "queue"


@workflow.defn
class GoldenChat:
    """A chat of the kind that its start names."""

    @workflow.init
    def __init__(self, start: GoldenStart) -> None:
        self.chat = Conversation(start, make_agent, **OPTIONS[start.kind])

    @workflow.run
    async def run(self, start: GoldenStart) -> ConversationEnd:
        """Answer messages until the end."""
        return await self.chat.run()


def plugin(model: Callable[[], Any] | None = None) -> StrandsPlugin:
    """Return the plugin of the chats' workers."""
    reader = AgentDefinition(make_reader, description="Reads.", max_turns=2, approvals=False)
    return StrandsPlugin(models={"scripted": model} if model else None, agents={"reader": reader})


# --- What the model says

_held: dict[str, Held] = {}


def held(name: str) -> Held:
    """Return the hold of a prompt."""
    return _held.setdefault(name, Held())


def answer(call: ScriptedCall) -> Reply:
    """Do what the turn's prompt says: some words, tools, a hold, a failure."""
    prompt = call.prompt
    begun = max(at for at, message in enumerate(call.messages) if {"text": prompt} in message["content"])
    steps = (len(call.messages) - begun) // 2  # of this turn so far
    number = len(call.messages)
    match prompt.split():
        case ["hold", *words] if steps == 0:
            adds = use_tool("add", {"a": 1, "b": 1}, tool_use_id=f"t{number}")
            reply = adds if "tool" in words else say(f"held {prompt}")
            return reply.when(held(prompt).wait)
        case ["tools"] if steps < 5:
            return _step(steps, number)
        case ["read"] if steps == 0:
            files = [("read_file", {"path": path}, f"r-{path}") for path in ("notes", "secret")]
            return use_tools([*files, ("add", {"a": 2, "b": 2}, "a-1")])
        case ["fail"]:
            return fail(ApplicationError("the model broke", type="Broken", non_retryable=True))
        case _:
            return say(f"{prompt}: {number} messages, last {call.text!r}")


def _step(number: int, at: int) -> Reply:
    calls: list[tuple[str, dict[str, Any], str]] = [("weather", {"city": f"city {number}"}, f"w{at}")]
    if number % 2:
        calls.append(("remember", {"fact": f"fact {number}"}, f"f{at}"))
    return use_tools(calls, text=f"step {number}")


# --- What clients do


async def _asked(hold: str) -> None:
    await asyncio.wait_for(held(hold).asked.wait(), 20)


async def _begun(chat: ConversationClient) -> bool:
    return (await chat.state()).turn == 1


def _queued(chat: ConversationClient, count: int) -> Callable[[], Awaitable[bool]]:
    async def waiting() -> bool:
        return (await chat.state()).queued == count

    return waiting


async def queue(chat: ConversationClient) -> None:
    """Send messages that wait, one of them by signal, cancel a turn, fail one, and ask again."""
    first = await chat.send("hello", id="m1")
    second = asyncio.create_task(chat.send("hold 1", id="m2"))
    await _asked("hold 1")
    third = asyncio.create_task(chat.send("meanwhile", id="m3"))
    await until(_queued(chat, 1))
    await chat.send_later("by signal", id="s1")
    await until(_queued(chat, 2))
    held("hold 1").let_go.set()
    assert [(await each).turn for each in (second, third)] == [2, 3]
    assert (await chat.send("by signal", id="s1")).turn == 4
    stopped = asyncio.create_task(chat.send([{"text": "hold 2"}], id="m5"))
    await _asked("hold 2")
    waits = asyncio.create_task(chat.send("after the stop", id="m6"))
    await until(_queued(chat, 1))
    assert await chat.cancel_turn()
    held("hold 2").let_go.set()
    assert (await stopped).stop_reason == "cancelled"
    assert (await waits).turn == 6
    try:
        await chat.send("fail", id="m7")
    except WorkflowUpdateFailedError:
        pass
    else:
        raise AssertionError("the turn should fail")
    assert await chat.send("hello", id="m1") == first
    await chat.close()


async def steer(chat: ConversationClient) -> None:
    """Send messages that the turn reads, one after its last call, and reach the limit of turns."""
    first = asyncio.create_task(chat.send("hold with a tool", id="m1"))
    await _asked("hold with a tool")
    second = asyncio.create_task(chat.send([{"text": "and this"}], id="m2"))
    await until(_queued(chat, 1))
    held("hold with a tool").let_go.set()
    assert [(await each).turn for each in (first, second)] == [1, 1]
    third = asyncio.create_task(chat.send("hold 3", id="m3"))
    await _asked("hold 3")
    late = asyncio.create_task(chat.send("too late to steer", id="m4"))
    await until(_queued(chat, 1))
    held("hold 3").let_go.set()
    assert [(await each).turn for each in (third, late)] == [2, 3]


async def handed_over(chat: ConversationClient) -> None:
    """Send a turn that the second run ends, and a message that waits for its end."""
    first = asyncio.create_task(chat.send("tools", id="m1"))
    await until(lambda: _begun(chat))
    second = asyncio.create_task(chat.send("hello", id="m2"))
    assert [(await each).turn for each in (first, second)] == [1, 2]
    await chat.close()


def _read(path: str) -> str:
    if path == "secret":
        raise ClientToolRefusedError("it is private")
    return f"the {path}"


async def by_name(client: Client, chat: ConversationClient) -> None:
    """Run the agent's client tools, until it has had its turns."""
    tools = ClientTools(client, chat.workflow_id, {"read_file": _read}, name="golden")
    serving = asyncio.create_task(tools.serve())
    assert (await chat.first_answer()).turn == 1
    assert (await chat.send("hello", id="m2")).turn == 2
    await asyncio.wait_for(serving, 20)


CHATS = {"queue": queue, "steer": steer, "handed-over": handed_over}


async def record_chat(
    env: AgentEnvironment, kind: str, act: Callable[[ConversationClient], Awaitable[None]]
) -> None:
    """Lead a chat, and write a history of each of its runs."""
    id_ = f"golden-{kind}"
    if kind == "by-name":
        chat = await ConversationClient.start(
            env.client,
            "reader",
            id=id_,
            task_queue=env.task_queue,
            arguments={"tone": "kind"},
            first_message="read",
            first_message_id="m1",
        )
    else:
        await env.start(GoldenChat.run, GoldenStart(kind=kind), id=id_)
        chat = ConversationClient(env.client, id_)
    await asyncio.wait_for(act(chat), 120)
    await chat.handle.result()
    await write_runs(env.client, id_, f"{RECORDED_BY}-conversation-{kind}", HISTORIES)


async def write_runs(client: Client, workflow_id: str, name: str, folder: Path) -> None:
    """Write a history of each run of a workflow."""
    for number, run in enumerate(await runs_of(client, workflow_id), 1):
        history = without_paths(json.loads((await run.fetch_history()).to_json()))
        text = json.dumps(history, separators=(",", ":"))
        (folder / f"{name}-{number}.json").write_text(f"{text}\n")


def without_paths(value: Any) -> Any:
    """Return JSON values without the stack traces of failures, which name files of this machine."""
    if isinstance(value, list):
        return [without_paths(each) for each in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value).items()
    return {key: without_paths(each) for key, each in items if key != "stackTrace"}


async def golden_client(server: DevServer) -> Client:
    """Return a client whose name, which is in each history, says nothing of this machine."""
    return await Client.connect(server.address, identity="1@golden")


async def record() -> None:
    """Record a history of each run of each chat with this release."""
    model = ScriptedModel(answer)
    async with (
        DevServer() as server,
        agent_environment(
            await golden_client(server),
            workflows=[GoldenChat],
            activities=[weather],
            plugins=[plugin(lambda: model)],
            task_queue="golden",
        ) as env,
    ):
        acts: dict[str, Callable[[ConversationClient], Awaitable[None]]] = {
            **CHATS,
            "by-name": partial(by_name, env.client),
        }
        for kind, act in acts.items():
            await record_chat(env, kind, act)


if __name__ == "__main__":
    asyncio.run(record())
