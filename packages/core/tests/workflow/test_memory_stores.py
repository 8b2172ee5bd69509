"""`TemporalMemoryStore`: search, injection, tools and extraction, as with the store itself."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from strands import Agent
from strands.agent import AgentResult
from strands.memory import InvocationTrigger, MemoryEntry, MemoryManager, MemoryStore, ModelExtractor
from strands.storage import InMemoryStorage, LocalFileStorage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import TemporalMemoryStore, TemporalStorage

server = pytest.mark.server
EXTRACTION: Any = {"trigger": [InvocationTrigger()], "extractor": ModelExtractor()}


def answer(call: ScriptedCall) -> Reply:
    """Extract a fact when asked to; add and search when told; else repeat what was injected."""
    if not call.tool_names:  # the extractor's call
        return say(json.dumps([{"content": "# Tea\nAda prefers tea"}]))
    last = call.messages[-1]["content"][0]
    if "toolResult" in last:
        return say(str(last["toolResult"]["content"]))
    if "search" in call.text:
        return use_tool("search_memory", {"query": "what does Ada prefer"}, tool_use_id="s")
    if "remember" in call.text:
        return use_tool("add_memory", {"entries": ["# Cats\nAda has two cats"]}, tool_use_id="a")
    return say(" ".join(block.get("text", "-") for block in call.messages[-1]["content"]))


async def drive(agent: Agent) -> AgentResult:
    """Tell a fact, have another one added, ask with injected memories, and search."""
    for prompt in ("I am Ada and prefer tea", "remember my cats", "what does Ada prefer?", "search it"):
        result = await agent.invoke_async(prompt)
        assert agent.memory_manager is not None
        await agent.memory_manager.flush()
    return result


def kept(store: Any) -> dict[str, str]:
    folder = Path(store)
    return {path.name: path.read_text() for path in sorted(folder.rglob("*.md"))}


@server
@pytest.mark.parametrize(("through", "cache"), [("store", 0), ("storage", 1000)])
async def test_strands_file_store_works_as_locally(
    client: Client, worker_options: dict[str, Any], tmp_path: Path, through: str, cache: int
) -> None:
    def on(folder: str) -> LocalFileStorage:
        return LocalFileStorage(str(tmp_path / folder))

    def build(make: AgentFactory) -> Agent:
        store: Any
        if not make.durable:
            store = FileMemoryStore(name="notes", storage=on("plain"), extraction=EXTRACTION)
        elif through == "store":
            store = TemporalMemoryStore("notes", extraction=EXTRACTION)
        else:
            store = FileMemoryStore(name="notes", storage=TemporalStorage("files"), extraction=EXTRACTION)
        return make(memory_manager=MemoryManager(stores=[store], add_tool_config=True))

    scenario = Scenario(
        lambda: ScriptedModel(answer),
        build,
        drive,
        memory_stores={"notes": lambda: FileMemoryStore(name="notes", storage=on("durable"))},
        storages={"files": lambda: on("durable")},
    )
    parity = await run_parity(client, scenario, **{**worker_options, "max_cached_workflows": cache})
    parity.assert_equal()
    assert "Ada prefers tea" in (parity.durable.text or "")
    assert "<memory>" in str(parity.durable.given)
    assert kept(tmp_path / "durable") == kept(tmp_path / "plain") != {}


# --- Stores that write otherwise, and what is refused


class Messages(MemoryStore):
    """A store that takes messages, and makes entries of them itself."""

    def __init__(self, name: str = "log") -> None:
        self.name = name
        self.description = None
        self.max_search_results = None
        self.writable = True
        self.extraction = None
        self.kept: list[Any] = []
        self.initialized = 0

    async def initialize(self) -> None:
        self.initialized += 1

    async def search(self, query: str, options: Any = None) -> list[MemoryEntry]:
        if query == "fail":
            raise ValueError("no such query")
        return [MemoryEntry(str(text), metadata={"raw": b"\xff", "options": options}) for text in self.kept]

    async def add_messages(self, messages: Any, context: Any = None) -> str:
        self.kept += [message["content"][0]["text"] for message in messages]
        return f"{context.sequence_numbers}"


class ReadOnly(FileMemoryStore):
    def __init__(self) -> None:
        super().__init__(name="read only", storage=InMemoryStorage(), writable=False)


@workflow.defn
class StoreWorkflow:
    """One turn of an agent with a store, and direct operations."""

    @workflow.run
    async def run(self, name: str, writes: list[Any], writable: bool, plain: bool) -> Any:
        store = TemporalMemoryStore(
            name,
            writes=tuple(writes),
            writable=writable,
            extraction={"trigger": [InvocationTrigger()]} if writes == ["add_messages"] else None,
        )
        memory = MemoryManager(stores=[store])
        options: dict[str, Any] = {"memory_manager": memory, "callback_handler": None}
        agent = Agent(TemporalModel("m"), **options) if plain else TemporalAgent("m", **options)
        await agent.invoke_async("hello")
        await memory.flush()
        try:
            await store.search("fail")
        except ValueError as error:
            failed = str(error)
            found = await memory.search("hello")
            return [failed, [entry.content for entry in found], str(found[0].metadata), found[0].store_name]
        return "nothing failed"


@server
async def test_a_store_that_takes_messages(agents: Agents) -> None:
    stores: list[Messages] = []

    def make() -> Messages:
        stores.append(Messages())
        return stores[-1]

    async with agents(
        workflows=[StoreWorkflow],
        models={"m": lambda: ScriptedModel(lambda _: say("hi"))},
        memory_stores={"log": make},
    ) as env:
        for plain, expected in ((False, ["hello", "hi\n"]), (True, ["hello", "hi\n"] * 2)):
            failed, contents, metadata, name = await env.run(
                StoreWorkflow.run, "log", ["add_messages"], True, plain
            )
            assert failed == "no such query"
            assert [content.strip() for content in contents] == [text.strip() for text in expected]
            assert metadata == "{'raw': b'\\xff', 'options': {'max_search_results': 3}}"
            assert name == "log"
    (store,) = stores
    assert store.initialized == 1


@server
async def test_what_the_worker_lacks_ends_the_run_before_the_first_answer(agents: Agents) -> None:
    def broken() -> Any:
        raise OSError("no disk")

    async with agents(
        workflows=[StoreWorkflow],
        models={"m": lambda: ScriptedModel(say("never"))},
        memory_stores={"log": Messages, "read only": ReadOnly, "broken": broken, "list": list},
    ) as env:
        for plain in (False, True):
            for name, writes, type_, text in (
                ("lgo", ["add"], "ValueError", "Unknown memory store 'lgo'. Did you mean 'log'?"),
                (
                    "log",
                    ["add"],
                    "AgentValueError",
                    "has no add: give TemporalMemoryStore('log') writes=(",
                ),
                (
                    "read only",
                    ["add"],
                    "AgentValueError",
                    "is not writable: give TemporalMemoryStore(",
                ),
                ("broken", ["add"], "MemoryStoreFactoryFailed", "'broken' raised OSError: no disk"),
                ("list", ["add"], "MemoryStoreFactoryFailed", "returned [], not a MemoryStore"),
            ):
                failure = await failure_of(env, StoreWorkflow.run, name, writes, True, plain)
                assert failure.type == type_, failure
                assert text in failure.message


def test_bad_handles_are_refused() -> None:
    bad: Any = "add"
    with pytest.raises(AgentTypeError, match="writes='add' is not a sequence"):
        TemporalMemoryStore("notes", writes=bad)
    other: Any = ["delete"]
    with pytest.raises(AgentValueError, match=r"names 'delete'. Known: \('add', 'add_messages'\)"):
        TemporalMemoryStore("notes", writes=other)
    with pytest.raises(ValueError, match="writable but has no add"):
        MemoryManager(stores=[TemporalMemoryStore("notes", writes=())])
