"""Client tools of sub-agents at any depth, retried calls, and clients that go on over restarts."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.carry_scenes import next_run
from packages.core.tests.workflow.client_scenes import (
    READ_FILE,
    ClientTask,
    ClientWorkflow,
    echo,
    ended,
    open_calls,
    serving,
    work,
)
from strands import Agent
from strands.hooks import AfterToolCallEvent
from temporalio import workflow
from temporalio.client import Client, RetryConfig, WorkflowUpdateStage

from strands_temporal import AgentCarry, ClientTools, ClientToolsUnreachableError, TemporalAgent
from strands_temporal.testing import (
    DevServer,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import (
    ClientCalls,
    SubAgentResult,
    SubAgentTask,
    child_workflow,
    client_tool_names,
)

pytestmark = pytest.mark.server

BELOW = {"host": ["clerk", "office"], "clerk": ["archive"]}


def company(call: ScriptedCall) -> Any:
    """Each agent passes its task to the agents below. The last ones read a file each."""
    me = str(call.system_prompt)
    if call.tool_results:
        return say(f"{me}: {' '.join(call.text.split())}")
    below = BELOW.get(me)
    if below is None:
        return use_tool("read_file", {"path": f"{me}.txt"}, tool_use_id="read-1")  # one id in all agents
    return use_tools([(name, {"input": "go"}, f"{name}-1") for name in below])


def agent(name: str, *tools: Any, **options: Any) -> TemporalAgent:
    return TemporalAgent(
        "model", name=name, system_prompt=name, tools=list(tools), callback_handler=None, **options
    )


@workflow.defn(name="office")
class OfficeWorkflow:
    """Ask the office."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(agent("office", READ_FILE, carry=task.carry))


@dataclass
class HostTask:
    agent: AgentCarry | None = None
    calls: dict[str, Any] = field(default_factory=dict[str, Any])


@workflow.defn
class HostWorkflow:
    @workflow.init
    def __init__(self, task: HostTask) -> None:
        self.calls = ClientCalls(task.calls)
        archive = agent("archive", READ_FILE).as_tool(description="Ask the archive.")
        clerk = agent("clerk", archive).as_tool(description="Ask the clerk.")
        self.agent = agent("host", clerk, child_workflow(OfficeWorkflow), carry=task.agent)
        self.handing_over = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.query
    def names(self) -> list[str]:
        return client_tool_names(self.agent)

    @workflow.run
    async def run(self, task: HostTask) -> str:
        prompt = None if task.agent else "go"
        result = await self.calls.run(self.agent, prompt, stop_waiting_when=lambda: self.handing_over)
        if result.stop_reason == "interrupt":
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(HostTask(self.agent.carry(), self.calls.carry()))
        return str(result).strip()


@pytest.mark.slow
async def test_sub_agents_at_any_depth_over_continue_as_new(agents: Agents) -> None:
    model = ScriptedModel(company)
    workflows = [HostWorkflow, OfficeWorkflow]
    async with agents(workflows=workflows, models={"model": lambda: model}) as env:
        handle = await env.start(HostWorkflow.run, HostTask())
        calls = await open_calls(handle, 2)
        assert sorted((call["agent"], call["arguments"]["path"]) for call in calls) == [
            ("archive", "archive.txt"),
            ("office", "office.txt"),
        ]
        current = env.client.get_workflow_handle(handle.id)
        assert await current.query("names") == ["read_file"]
        await current.signal("hand_over")
        await next_run(current, handle.first_execution_run_id)
        assert await open_calls(current, 2) == calls
        async with serving(env.client, handle):
            text = await ended(env, handle)
    assert text == "host: clerk: archive: 2 lines of archive.txt office: 2 lines of office.txt"


@workflow.defn
class RetryWorkflow:
    """A hook tries a failed call again, as often as it takes."""

    @workflow.run
    async def run(self) -> str:
        read = agent("reader", READ_FILE)
        read.add_hook(self._retry, AfterToolCallEvent)
        return str(await ClientCalls().run(read, "go")).strip()

    def _retry(self, event: AfterToolCallEvent) -> None:
        event.retry = event.result["status"] == "error"


@pytest.mark.slow
async def test_a_call_that_a_hook_retries_is_run_again(agents: Agents) -> None:
    attempts: list[str] = []

    def fails_twice(path: str, lines: int) -> str:
        attempts.append(path)
        if len(attempts) < 3:
            raise ValueError("busy")
        return "read at last"

    model = ScriptedModel(use_tool("read_file", {"path": "a"}), echo)
    async with agents(workflows=[RetryWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(RetryWorkflow.run)
        async with serving(env.client, handle, {"read_file": fails_twice}):
            assert await ended(env, handle) == "read at last"
    assert attempts == ["a"] * 3


@workflow.defn
class TwoWorkflow:
    """Two agents whose models use the same ids wait at once."""

    @workflow.run
    async def run(self) -> list[str]:
        calls = ClientCalls()
        two = [agent(name, READ_FILE) for name in ("one", "two")]
        results = await asyncio.gather(*(calls.run(each, "go") for each in two))
        return [str(result).strip() for result in results]


@pytest.mark.slow
async def test_two_agents_wait_side_by_side(agents: Agents) -> None:
    model = ScriptedModel(company)
    async with agents(workflows=[TwoWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(TwoWorkflow.run)
        async with serving(env.client, handle):
            assert await ended(env, handle) == ["one: 2 lines of one.txt", "two: 2 lines of two.txt"]


@workflow.defn
class BackgroundWorkflow:
    @workflow.run
    async def run(self) -> str:
        reader = agent("reader", READ_FILE, background_tasks={"always": ["read_file"]})
        return str(await ClientCalls().run(reader, "go")).strip()


@pytest.mark.slow
async def test_a_client_tool_may_run_in_the_background(agents: Agents) -> None:
    def script(call: ScriptedCall) -> Any:
        if call.number == 0:
            return use_tool("read_file", {"path": "a"})
        return say("it is " + " ".join(call.text.split("\n")))

    model = ScriptedModel(script)
    async with agents(workflows=[BackgroundWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(BackgroundWorkflow.run)
        async with serving(env.client, handle):
            assert "2 lines of a" in await ended(env, handle)


# --- Restarts


@pytest.mark.slow
async def test_a_client_goes_on_when_the_worker_and_the_server_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker_options: dict[str, Any]
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    model = ScriptedModel(company, repeat=True)
    options: Any = {
        "workflows": [ClientWorkflow],
        "models": {"model": lambda: model},
        "activities": [work],
        "task_queue": "restarts",
        **worker_options,
    }
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def reads(path: str, lines: int) -> str:
        begun.set()
        await go_on.wait()
        return "read"

    server = DevServer(db_filename=tmp_path / "temporal.db")
    await server.start()
    try:
        port = int(server.address.rpartition(":")[2])
        client = await Client.connect(server.address)
        async with agent_environment(server.address, **options) as env:
            handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(client, handle, {"read_file": reads}):  # no worker runs
            async with agent_environment(server.address, **options):
                await asyncio.wait_for(begun.wait(), 20)
            await server.stop()
            go_on.set()  # the result cannot be sent
            monkeypatch.setattr("strands_temporal.testing._server._free_port", lambda: port)
            await server.start()
            async with agent_environment(server.address, **options) as env:
                assert "read" in (await ended(env, handle))["text"]
    finally:
        await server.stop()


async def test_a_workflow_that_does_not_exist_or_has_no_client_calls(agents: Agents, client: Client) -> None:
    tools = ClientTools(client, "no-such-workflow", {"read_file": print})
    with pytest.raises(ClientToolsUnreachableError, match=r"no workflow 'no-such-workflow' in .*'default'"):
        await tools.serve()


# --- A run without room for another update

FULL = 10  # the server's limit of waiting updates in one run


@workflow.defn
class ChatWorkflow:
    """Its turns are updates that wait for each other."""

    def __init__(self) -> None:
        self.calls = ClientCalls()
        self.agent = agent("chat", READ_FILE)
        self.lock = asyncio.Lock()
        self.turns = 0

    @workflow.update
    async def turn(self, prompt: str) -> str:
        async with self.lock:
            result = await self.calls.run(self.agent, prompt)
            self.turns += 1
            return str(result).strip()

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.turns == FULL and workflow.all_handlers_finished())
        return self.turns


@pytest.mark.slow
async def test_a_client_answers_in_a_run_without_room_for_another_update(agents: Agents) -> None:
    def script(call: ScriptedCall) -> Any:
        if call.tool_results:
            return say(call.text)
        return use_tool("read_file", {"path": "a"}, tool_use_id=f"read-{call.number}")

    model = ScriptedModel(script)
    async with agents(workflows=[ChatWorkflow], models={"model": lambda: model}) as env:
        handle = await env.start(ChatWorkflow.run)
        turns = [
            await handle.start_update(ChatWorkflow.turn, "go", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
            for _ in range(FULL)
        ]
        impatient = await Client.connect(
            env.client.service_client.config.target_host, retry_config=RetryConfig(max_retries=1)
        )
        async with serving(impatient, handle):
            assert await asyncio.gather(*(turn.result() for turn in turns)) == ["2 lines of a"] * FULL
        assert await ended(env, handle) == FULL
    assert any(
        event.workflow_execution_signaled_event_attributes.signal_name == "client_tool_by_signal"
        for event in (await handle.fetch_history()).events
    )


def test_a_plain_agent_pauses_with_the_call() -> None:
    model = ScriptedModel(use_tool("read_file", {"path": "a"}), echo)
    plain = Agent(model, tools=[READ_FILE], callback_handler=None)
    (asked,) = list(plain("go").interrupts or ())
    assert asked.name == "strands-temporal-client-tool"
    assert asked.reason["arguments"] == {"path": "a", "lines": 2}
    answer: Any = [{"interruptResponse": {"interruptId": asked.id, "response": "by hand"}}]
    assert str(plain(answer)).strip() == "by hand"
