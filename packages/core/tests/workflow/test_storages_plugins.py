"""Strands' own users of a storage, on a `TemporalStorage`: the offloader, a stash, a graph, a swarm."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.session_scenes import count, session
from packages.core.tests.workflow.storage_scenes import CountingStorage
from strands import Agent, tool
from strands.experimental.context_manager import Offload
from strands.multiagent import GraphBuilder, Swarm
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage
from strands.vended_plugins.context_offloader import ContextOffloader
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent
from strands_temporal.testing import (
    AgentFactory,
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
from strands_temporal.workflow import TemporalStorage

pytestmark = pytest.mark.server


@tool
def report() -> dict[str, Any]:
    """Return a long report, and a picture."""
    picture: Any = {"image": {"format": "png", "source": {"bytes": bytes(range(256)) * 100}}}
    return {"status": "success", "content": [{"text": "line one\n" * 5000 + "the needle\n"}, picture]}


def look_up(call: ScriptedCall) -> Reply:
    """Ask for the report, look for the needle in what was offloaded, and repeat what was found."""
    results = [b["toolResult"] for m in call.messages for b in m["content"] if "toolResult" in b]
    if not results:
        return use_tool("report", {})
    if len(results) == 1:
        text = str(results[0]["content"])
        reference = next(word for word in text.replace("'", " ").split() if "report" in word or "_0" in word)
        return use_tool(
            "retrieve_offloaded_content", {"reference": reference.strip("[],."), "pattern": "needle"}
        )
    return say(str(results[1]["content"]))


@pytest.mark.parametrize(("given", "cache"), [("plugin", 0), ("agent", 1000)])
async def test_the_offloader_works_as_locally(
    client: Client, worker_options: dict[str, Any], given: str, cache: int
) -> None:
    plain, durable = InMemoryStorage(), InMemoryStorage()

    def build(make: AgentFactory) -> Agent:
        storage: Any = TemporalStorage("files") if make.durable else plain
        own = {"storage": storage} if given == "plugin" else {}
        shared = {} if given == "plugin" else {"storage": storage}
        return make(tools=[report], plugins=[ContextOffloader(**own)], **shared)

    scenario = Scenario(
        lambda: ScriptedModel(look_up), build, prompts("go"), storages={"files": lambda: durable}
    )
    parity = await run_parity(client, scenario, **{**worker_options, "max_cached_workflows": cache})
    parity.assert_equal()
    assert "the needle" in (parity.durable.text or "")
    assert "line one\nline one" not in (parity.durable.text or "")
    keys = await plain.list("")
    assert await durable.list("") == keys != []
    assert [await durable.read(key) for key in keys] == [await plain.read(key) for key in keys]


def recall(call: ScriptedCall) -> Reply:
    """Ask for the report, look for the needle in the stash, and repeat what was found."""
    results = [b["toolResult"] for m in call.messages for b in m["content"] if "toolResult" in b]
    if not results:
        return use_tool("report", {}, tool_use_id="r")
    if len(results) == 1:
        return use_tool("retrieve_context", {"reference": "r_0", "pattern": "needle", "context_lines": 0})
    return say(str(results[1]["content"]))


PIPELINE: list[Any] = [Offload.truncate("tool_results", {"preview_tokens": 20}).when(threshold=100)]


@pytest.mark.filterwarnings("ignore:context_window_limit is not set:UserWarning")
@pytest.mark.parametrize("given", ["stash", "agent"])
async def test_a_stash_is_kept_as_locally(client: Client, worker_options: dict[str, Any], given: str) -> None:
    plain, durable = InMemoryStorage(), InMemoryStorage()

    def build(make: AgentFactory) -> Agent:
        storage: Any = TemporalStorage("files") if make.durable else plain
        own = {"stash": {"storage": storage.namespace("team")}} if given == "stash" else {}
        shared = {} if given == "stash" else {"storage": storage}
        return make(tools=[report], context_manager={"strategies": PIPELINE, **own}, **shared)

    scenario = Scenario(
        lambda: ScriptedModel(recall), build, prompts("go"), storages={"files": lambda: durable}
    )
    parity = await run_parity(client, scenario, **worker_options)
    assert parity.plain.error is None
    parity.assert_equal()
    assert "the needle" in (parity.durable.text or "")
    assert "line one\\nline one" in str(parity.durable.given[1]["messages"])
    keys = {name: sorted(await storage.list("")) for name, storage in (("p", plain), ("d", durable))}
    assert len(keys["p"]) == len(keys["d"]) > 3  # the ids of messages, and of a session, are random
    for ending in ("r_0", "r_1"):  # the report's text and picture
        (here,), (there,) = ([key for key in keys[name] if key.endswith(ending)] for name in "pd")
        assert await plain.read(here) == await durable.read(there)


@tool
def endless() -> str:
    """Return more than a storage takes from a workflow."""
    return "line one\n" * 1_000_000


@workflow.defn
class TooLarge:
    """Offloads what is too large, or to a storage that the worker does not have."""

    @workflow.run
    async def run(self, kind: str, name: str) -> list[Any]:
        storage = TemporalStorage(name)
        given: dict[str, Any] = (
            {"plugins": [ContextOffloader(storage=storage)]}
            if kind == "offloader"
            else {"context_manager": {"strategies": PIPELINE, "stash": {"storage": storage}}}
        )
        agent = TemporalAgent(
            "m", tools=[endless if name == "files" else report], callback_handler=None, **given
        )
        result = await agent.invoke_async("go")
        return [str(result), len(str(agent.messages)) < 100_000]


def call_it(call: ScriptedCall) -> Reply:
    """Call the tool, and say how long its result is."""
    if len(call.messages) == 1:
        return use_tool(call.tool_names[0], {})
    return say(str(len(str(call.messages))))


@pytest.mark.filterwarnings("ignore:context_window_limit is not set:UserWarning")
@pytest.mark.parametrize("kind", [pytest.param("offloader", marks=pytest.mark.slow), "stash"])
async def test_a_value_that_is_too_large_is_told_and_a_storage_that_is_missing_ends_the_run(
    agents: Agents, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    async with agents(
        workflows=[TooLarge],
        models={"m": lambda: ScriptedModel(call_it, repeat=True)},
        storages={"files": InMemoryStorage},
    ) as env:
        said = await env.run(TooLarge.run, kind, "files")
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(TooLarge.run, kind, "flies")
    assert isinstance(failure.value.cause, ApplicationError)
    assert "Unknown storage 'flies'. Did you mean 'files'?" in failure.value.cause.message
    assert "bytes are too large for a workflow" in caplog.text
    # Strands goes on: the offloader keeps the result in the conversation, the stash loses what is cut.
    length, is_short = int(said[0]), said[1]
    assert (length > 9_000_000, is_short) == ((True, False) if kind == "offloader" else (False, True))


# --- Teams


def team_of(kind: str, first: Agent, second: Agent, manager: SnapshotSessionManager) -> Any:
    if kind == "swarm":
        return Swarm([first, second], session_manager=manager)
    builder = GraphBuilder()
    builder.add_node(first, "first")
    builder.add_node(second, "second")
    builder.add_edge("first", "second")
    builder.set_entry_point("first")
    builder.set_max_node_executions(5)
    builder.set_session_manager(manager)
    return builder.build()


async def run_team(team: Any) -> list[str]:
    try:
        result = await team.invoke_async("go")
    except Exception:  # noqa: BLE001  # whatever the node raises
        return ["failed"]
    return [str(result.status), *sorted(result.results), str(result.execution_count)]


@workflow.defn
class TeamWorkflow:
    """A graph or a swarm whose state is kept; fails in its second node on request."""

    @workflow.run
    async def run(self, kind: str, fails: bool) -> list[str]:
        first, second = (
            TemporalAgent(model, name=name, agent_id=name, callback_handler=None)
            for name, model in (("first", "m"), ("second", "broken" if fails else "m"))
        )
        return await run_team(team_of(kind, first, second, session(multi_agent_save_latest_on="node")))


async def plain_team(storage: InMemoryStorage, kind: str, fails: bool) -> list[str]:
    first, second = (
        Agent(model, name=name, agent_id=name, callback_handler=None, retry_strategy=None)
        for name, model in (
            ("first", ScriptedModel(count)),
            ("second", ScriptedModel(fail(ValueError("no")) if fails else count)),
        )
    )
    manager = SnapshotSessionManager("s", storage=storage, multi_agent_save_latest_on="node")
    return await run_team(team_of(kind, first, second, manager))


@pytest.mark.parametrize("kind", ["graph", "swarm"])
async def test_a_team_is_kept_and_goes_on_as_locally(agents: Agents, kind: str) -> None:
    plain, durable = CountingStorage(), CountingStorage()

    def broken() -> Any:
        raise ValueError("no")

    async with agents(
        workflows=[TeamWorkflow],
        models={"m": lambda: ScriptedModel(count), "broken": broken},
        storages={"sessions": lambda: durable},
    ) as env:
        for fails in (True, False, False) if kind == "graph" else (False,):
            expected = await plain_team(plain, kind, fails)
            assert await env.run(TeamWorkflow.run, kind, fails) == expected
    assert plain.operations == durable.operations
    kept = [operation for operation in plain.operations if "scopes/multiAgent" in operation]
    assert sum(operation.startswith("write") for operation in kept) > 1
