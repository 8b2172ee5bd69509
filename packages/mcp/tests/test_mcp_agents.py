"""Agents in workflows, MCP servers on the worker: what a user sees. With a server of our own."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.servers.clients import python_server
from strands import tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.activity import encode
from strands_temporal.testing import AgentEnvironment, ScriptedModel, say, use_tool, use_tools
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    from strands import Agent
    from strands.tools.mcp import MCPClient

pytestmark = pytest.mark.server

TWO_ATTEMPTS = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)


def plugins(model: ScriptedModel, **mcp_clients: Any) -> list[Any]:
    return [StrandsPlugin(models={"scripted": lambda: model}), MCPPlugin(mcp_clients=mcp_clients)]


def tool_results(agent: Agent) -> list[Any]:
    results = [block["toolResult"] for m in agent.messages for block in m["content"] if "toolResult" in block]
    return encode(results)


def turn(calls: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """Ask for several tool calls at once."""
    return use_tools([(name, arguments, f"{name}-{n}") for n, (name, arguments) in enumerate(calls)])


def text(result: Any) -> str:
    return result["content"][0]["text"]


async def scheduled(env: AgentEnvironment) -> list[str]:
    """The activities of the last workflow, in order."""
    history = await env.handles[-1].fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def attempts(env: AgentEnvironment, activity_type: str) -> list[int]:
    """How often each activity of that type was tried."""
    history = await env.handles[-1].fetch_history()
    of_type = {
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == activity_type
    }
    started = [event.activity_task_started_event_attributes for event in history.events]
    return [attributes.attempt for attributes in started if attributes.scheduled_event_id in of_type]


async def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, thirty seconds at most."""
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{condition} did not hold in time")


def failure(error: WorkflowFailureError) -> ApplicationError:
    assert isinstance(error.cause, ApplicationError)
    return error.cause


@workflow.defn
class OneServer:
    """An agent with the server `tests`; returns its tool results."""

    def __init__(self) -> None:
        tests = TemporalMCPClient(
            server="tests", start_to_close_timeout=timedelta(seconds=30), retry_policy=TWO_ATTEMPTS
        )
        self.agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)

    @workflow.run
    async def run(self, prompts: list[str]) -> list[Any]:
        for prompt in prompts:
            await self.agent.invoke_async(prompt)
        return tool_results(self.agent)


async def run_one_server(agents: Agents, *script: Any, **options: Any) -> tuple[list[Any], ScriptedModel]:
    """Run an agent with our server through a script, and return its tool results and the model."""
    model = ScriptedModel(*script, say("done"))
    async with agents(
        workflows=[OneServer], plugins=plugins(model, tests=lambda: python_server(**options))
    ) as env:
        return await env.run(OneServer.run, ["go"]), model


# --- Calls


async def test_an_agent_calls_a_tool_of_a_server(agents: Agents) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), lambda call: say(call.text), say("again"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(OneServer.run, ["add", "and again"])
        types = await scheduled(env)
    assert result["status"] == "success"
    assert result["content"] == [{"text": "5"}]
    assert result["structuredContent"] == {"result": 5}
    assert types == ["tests-list-tools", "invoke_model", "tests-call-tool", "invoke_model", "invoke_model"]
    spec = next(spec for spec in model.calls[0].tool_specs if spec["name"] == "add")
    assert spec["description"] == "Add two numbers."
    schema: Any = spec["inputSchema"]
    assert schema["json"]["properties"].keys() == {"a", "b"}


async def test_a_tools_error_goes_to_the_model_and_is_not_retried(agents: Agents) -> None:
    model = ScriptedModel(use_tool("fail", {"message": "no such thing"}), lambda call: say(call.text))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(OneServer.run, ["fail"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert result["status"] == "error"
    assert result["isError"] is True
    assert text(result).startswith("Error executing tool fail")
    assert "Error executing tool fail" in model.calls[1].text


async def test_an_image_reaches_the_model_as_bytes(agents: Agents) -> None:
    _, model = await run_one_server(agents, use_tool("picture", {}))
    (block,) = [b for b in model.calls[1].messages[-1]["content"] if "toolResult" in b]
    image: Any = block["toolResult"]["content"][0]
    assert image["image"]["format"] == "png"
    assert image["image"]["source"]["bytes"].startswith(b"\x89PNG")


async def test_calls_of_one_turn_run_at_once_in_one_session(agents: Agents) -> None:
    names = ["ann", "bob", "eve"]
    results, _ = await run_one_server(agents, turn([("meet", {"name": n, "others": 3}) for n in names]))
    assert [text(result).split(": ")[1] for result in results] == ["ann, bob, eve"] * 3
    assert len({text(result).split(": ")[0] for result in results}) == 1  # the server's process id


async def test_elicitation_is_answered_by_the_clients_callback(agents: Agents) -> None:
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> Any:
        from mcp.types import ElicitResult

        asked.append(params.message)
        return ElicitResult(action="accept", content={"name": "Ada"})

    (result,), _ = await run_one_server(
        agents, use_tool("ask", {"question": "Who?"}), elicitation_callback=answer
    )
    assert asked == ["Who?"]
    assert text(result) == "the user is Ada"


async def test_prefix_and_filters_of_the_client(agents: Agents) -> None:
    (result,), model = await run_one_server(
        agents, use_tool("my_add", {"a": 1, "b": 1}), prefix="my", tool_filters={"allowed": ["add"]}
    )
    assert model.calls[0].tool_names == ["my_add"]
    assert text(result) == "2"


async def test_a_result_too_large_for_temporal_is_a_failed_tool_for_the_model(agents: Agents) -> None:
    model = ScriptedModel(use_tool("big", {"kilobytes": 3000}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]  # what it did is not done again
    assert result["status"] == "error"
    assert "The result of tool 'big' is too large for Temporal" in text(result)


# --- A server that drops


async def test_a_server_that_dies_in_a_call_is_healed_by_a_retry(agents: Agents, tmp_path: Path) -> None:
    model = ScriptedModel(use_tool("die_once", {"marker": str(tmp_path / "died")}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(OneServer.run, ["die"])
        assert await attempts(env, "tests-call-tool") == [2]
    died, answers = (tmp_path / "died").read_text(), text(result).split()[-1]
    assert text(result) == f"died as {died}, answers as {answers}"
    assert died != answers


async def test_a_server_killed_between_calls_is_healed_by_a_retry(agents: Agents) -> None:
    killed: list[int] = []

    def kill(call: Any) -> Any:
        killed.append(int(call.text))
        os.kill(killed[0], signal.SIGKILL)
        return use_tool("process", {})

    model = ScriptedModel(use_tool("process", {}), kill, say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=python_server)) as env:
        before, after = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1, 2]
    assert int(text(before)) == killed[0]
    assert int(text(after)) != killed[0]
    assert after["status"] == "success"


@workflow.defn
class OneAttempt:
    """An agent whose calls are tried once; returns its tool results and what the hook saw."""

    @workflow.run
    async def run(self, heartbeat_seconds: float | None, seconds: float) -> list[Any]:
        seen: list[Any] = []

        def after(event: AfterToolCallEvent) -> None:
            seen.append([type(event.exception).__name__, event.result["status"]])

        tests = TemporalMCPClient(
            server="tests",
            start_to_close_timeout=timedelta(seconds=seconds),
            heartbeat_timeout=timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None,
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)
        agent.add_hook(after, AfterToolCallEvent)
        await agent.invoke_async("go")
        return [*tool_results(agent), *seen]


async def test_a_call_that_fails_for_good_is_a_failed_tool_for_the_model(
    agents: Agents, tmp_path: Path
) -> None:
    model = ScriptedModel(
        use_tool("die_once", {"marker": str(tmp_path / "died")}),
        use_tool("add", {"a": 1, "b": 2}),
        say("done"),
    )
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=python_server)) as env:
        failed, added, seen_failed, seen_added = await env.run(OneAttempt.run, None, 30.0)
    assert failed["status"] == "error"
    assert text(failed) == "Tool execution failed: Connection closed"
    assert seen_failed == ["ApplicationError", "error"]
    assert text(added) == "3"  # the next call has a new session, without a retry
    assert seen_added == ["NoneType", "success"]


@workflow.defn
class Impatient:
    """An agent with little patience, then another with more; returns both tool results."""

    @workflow.run
    async def run(self) -> list[Any]:
        results: list[Any] = []
        for seconds, heartbeat in ((4, 1), (60, 15)):
            tests = TemporalMCPClient(
                "tests",
                start_to_close_timeout=timedelta(seconds=seconds),
                heartbeat_timeout=timedelta(seconds=heartbeat),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)
            await agent.invoke_async("go")
            results += tool_results(agent)
        return results


async def test_a_long_call_heartbeats_and_a_server_that_hangs_is_replaced(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strands_temporal_mcp._servers.PROBE_SECONDS", 0.5)
    hanging: list[int] = []

    def stop(call: Any) -> Any:
        hanging.append(int((tmp_path / "hangs").read_text()))
        os.kill(hanging[0], signal.SIGSTOP)  # from now on the whole server does not answer
        return say("it hangs")

    model = ScriptedModel(
        use_tool("hang", {"marker": str(tmp_path / "hangs")}), stop, use_tool("process", {}), say("done")
    )
    async with agents(workflows=[Impatient], plugins=plugins(model, tests=python_server)) as env:
        env.timeout = timedelta(minutes=2)  # a session that hangs is given up step by step
        hung, answered = await env.run(Impatient.run)
    assert "StartToClose" in text(hung)  # four heartbeat time-outs long: it did heartbeat
    assert answered["status"] == "success"
    assert int(text(answered)) != hanging[0]


async def test_a_cancelled_workflow_ends_its_call_and_the_session_goes_on(
    agents: Agents, tmp_path: Path
) -> None:
    marker = tmp_path / "hangs"
    model = ScriptedModel(use_tool("hang", {"marker": str(marker)}), use_tool("process", {}), say("done"))
    async with agents(workflows=[OneAttempt], plugins=plugins(model, tests=python_server)) as env:
        handle = await env.start(OneAttempt.run, 1.0, 60.0)
        await wait_until(marker.exists)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as error:
            await handle.result()
        assert isinstance(error.value.cause, CancelledError)
        result, *_ = await env.run(OneAttempt.run, 1.0, 60.0)
    assert text(result) == marker.read_text()  # the same process


# --- Listings


@workflow.defn
class Caching:
    """An agent that is prompted several times."""

    @workflow.run
    async def run(self, cache_tools: bool | None, prompts: int) -> list[Any]:
        handle = TemporalMCPClient("tests", cache_tools=cache_tools)
        agent = TemporalAgent("scripted", tools=[handle], callback_handler=None)
        for _ in range(prompts):
            await agent.invoke_async("go")
        return tool_results(agent)


@pytest.mark.parametrize(
    ("cache_tools", "seen", "listings"),
    [(None, [False, False, False], 1), (True, [False, False, False], 1), (False, [False, True, True], 3)],
)
async def test_which_listing_an_agent_uses(
    agents: Agents, cache_tools: bool | None, seen: list[bool], listings: int
) -> None:
    model = ScriptedModel(use_tool("grow", {"name": "late"}), say("one"), say("two"), say("new workflow"))
    async with agents(workflows=[Caching], plugins=plugins(model, tests=python_server)) as env:
        await env.run(Caching.run, cache_tools, 2)
        assert ["late" in call.tool_names for call in model.calls] == seen
        assert (await scheduled(env)).count("tests-list-tools") == listings
        await env.run(Caching.run, cache_tools, 1)
    assert ("late" in model.calls[-1].tool_names) is (cache_tools is not None)


async def test_a_tool_that_appeared_can_be_called(agents: Agents) -> None:
    model = ScriptedModel(use_tool("grow", {"name": "late"}), use_tool("late", {}), say("done"))
    async with agents(workflows=[Caching], plugins=plugins(model, tests=python_server)) as env:
        _, late = await env.run(Caching.run, False, 1)
    assert text(late) == "late was here"


async def test_an_unchanged_listing_enters_history_once(agents: Agents) -> None:
    model = ScriptedModel(*[say("hello")] * 3)
    async with agents(workflows=[Caching], plugins=plugins(model, tests=python_server)) as env:
        await env.run(Caching.run, False, 3)
        history = await env.handles[-1].fetch_history()
    results = [event.activity_task_completed_event_attributes.result for event in history.events]
    sizes = [len(r.payloads[0].data) for r in results if r.payloads and b'"digest"' in r.payloads[0].data]
    assert len(sizes) == 3
    assert sizes[0] > 1000
    assert max(sizes[1:]) < 100


@workflow.defn
class SharedHandle:
    @workflow.run
    async def run(self) -> None:
        tests = TemporalMCPClient("tests")
        both = [TemporalAgent("scripted", tools=[[tests]], callback_handler=None) for _ in range(2)]
        await asyncio.gather(*(agent.invoke_async("go") for agent in both))


async def test_two_agents_that_share_a_handle_list_once(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say("done"))
    async with agents(workflows=[SharedHandle], plugins=plugins(model, tests=python_server)) as env:
        await env.run(SharedHandle.run)
        assert (await scheduled(env)).count("tests-list-tools") == 1
    assert all("add" in call.tool_names for call in model.calls)
    assert len(model.calls) == 2


# --- Several servers and other tools


@tool
def first() -> str:
    """Come first."""
    return "first"


@tool
def last() -> str:
    """Come last."""
    return "last"


@workflow.defn
class TwoServers:
    @workflow.run
    async def run(self, cache_tools: bool | None, names: list[str]) -> list[Any]:
        handles = [TemporalMCPClient(name, cache_tools=cache_tools) for name in names]
        agent = TemporalAgent("scripted", tools=[first, *handles, last], callback_handler=None)
        await agent.invoke_async("go")
        await agent.invoke_async("go on")
        return tool_results(agent)


def only(name: str, **options: Any) -> Any:
    return lambda: python_server(tool_filters={"allowed": [name]}, **options)


@pytest.mark.parametrize("cache_tools", [None, False])
async def test_tools_have_the_order_in_which_they_were_given(
    agents: Agents, cache_tools: bool | None
) -> None:
    model = ScriptedModel(turn([("add", {"a": 1, "b": 2}), ("process", {})]), say("one"), say("two"))
    servers = plugins(model, sums=only("add"), processes=only("process"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        results = await env.run(TwoServers.run, cache_tools, ["sums", "processes"])
    assert [call.tool_names for call in model.calls] == [["first", "add", "process", "last"]] * 3
    assert [result["status"] for result in results] == ["success", "success"]


async def test_two_servers_with_one_tool_name_are_refused(agents: Agents) -> None:
    servers = plugins(ScriptedModel(say("never")), left=only("add"), right=only("add"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(TwoServers.run, None, ["left", "right"])
    assert failure(error.value).type == "AgentValueError"
    for part in ("'add'", "'left'", "'right'", "prefix"):
        assert part in failure(error.value).message


async def test_two_servers_with_one_tool_name_are_told_apart_by_a_prefix(agents: Agents) -> None:
    model = ScriptedModel(turn([("left_process", {}), ("right_process", {})]), say("done"), say("done again"))
    servers = plugins(model, left=only("process", prefix="left"), right=only("process", prefix="right"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        left, right = await env.run(TwoServers.run, None, ["left", "right"])
    assert text(left) != text(right)


@pytest.mark.parametrize("names", [["sums", "sums"], ["clash"], ["dashed"]])
async def test_a_name_that_the_agent_has_already_is_refused(agents: Agents, names: list[str]) -> None:
    def dashed() -> MCPClient:
        return python_server(prefix="co-ol", tool_filters={"allowed": ["add"]})

    servers = plugins(
        ScriptedModel(say("never")), sums=only("add"), clash=only("add", prefix="taken"), dashed=dashed
    )
    async with agents(workflows=[WithOwnTools], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(WithOwnTools.run, names)
    assert failure(error.value).type == "AgentValueError"
    assert f"MCP server '{names[0]}'" in failure(error.value).message
    assert "one handle for each server" in failure(error.value).message or "prefix" in str(error.value.cause)


@tool
def taken_add() -> str:
    """Have a name."""
    return ""


@tool
def co_ol_add() -> str:
    """Have a name."""
    return ""


@workflow.defn
class WithOwnTools:
    @workflow.run
    async def run(self, names: list[str]) -> None:
        handles = [TemporalMCPClient(name) for name in names]
        agent = TemporalAgent("scripted", tools=[taken_add, co_ol_add, *handles], callback_handler=None)
        await agent.invoke_async("go")


async def test_a_server_that_no_worker_knows_ends_the_workflow(agents: Agents) -> None:
    servers = plugins(ScriptedModel(say("never")), known=only("add"))
    async with agents(workflows=[TwoServers], plugins=servers) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(TwoServers.run, None, ["unknown"])
    assert failure(error.value).type == "AgentValueError"
    assert "'unknown'" in failure(error.value).message
    assert "MCPPlugin(mcp_clients=" in failure(error.value).message


# --- Parity, plain agents, interrupts


def build(agent_class: Any, model: Any, tools: Sequence[Any], record: list[Any]) -> Agent:
    agent = agent_class(model, tools=[first, *tools, last], callback_handler=None)

    def after(event: AfterToolCallEvent) -> None:
        record.append([event.tool_use["name"], event.result["status"], list(event.agent.tool_names)])

    agent.add_hook(after, AfterToolCallEvent)
    return agent


async def seen(agent: Agent, record: list[Any]) -> list[Any]:
    result = await agent.invoke_async("go")
    messages = [{"role": m["role"], "content": m["content"]} for m in agent.messages]
    return [messages, sorted(record), str(result), result.metrics.cycle_count]


@workflow.defn
class ParityWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        record: list[Any] = []
        return await seen(build(TemporalAgent, "scripted", [TemporalMCPClient("tests")], record), record)


def parity_script() -> ScriptedModel:
    return ScriptedModel(
        turn([("add", {"a": 2, "b": 3}), ("fail", {"message": "x"}), ("first", {})]),
        turn([("add", {"a": "x", "b": 3}), ("no_such_tool", {})]),
        lambda call: say(call.text),
    )


async def test_parity_with_a_plain_agent(agents: Agents) -> None:
    plain_model, model = parity_script(), parity_script()
    async with agents(workflows=[ParityWorkflow], plugins=plugins(model, tests=python_server)) as env:
        durable = await env.run(ParityWorkflow.run)
    record: list[Any] = []
    client = python_server()
    agent = await asyncio.to_thread(build, Agent, plain_model, [client], record)
    try:
        plain = await seen(agent, record)
    finally:
        await asyncio.to_thread(agent.cleanup)
    assert durable == plain
    assert [call.tool_specs for call in model.calls] == [call.tool_specs for call in plain_model.calls]


@workflow.defn
class PlainAgent:
    @workflow.run
    async def run(self, way: str) -> list[Any]:
        tests = TemporalMCPClient("tests")
        given: dict[str, Any] = {
            "hooks": {"hooks": [tests]},
            "both": {"tools": [tests], "hooks": [tests]},
            "tools": {"tools": [tests]},
            "loaded": {"tools": [*await tests.load_tools()] if way == "loaded" else []},
        }[way]
        agent = Agent(TemporalModel("scripted"), callback_handler=None, retry_strategy=None, **given)
        await agent.invoke_async("go")
        return tool_results(agent)


@pytest.mark.parametrize("way", ["hooks", "both", "loaded"])
async def test_a_plain_agent_gets_the_tools(agents: Agents, way: str) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), say("done"))
    async with agents(workflows=[PlainAgent], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(PlainAgent.run, way)
    assert text(result) == "5"


async def test_a_plain_agent_that_cannot_get_the_tools_ends_the_workflow(agents: Agents) -> None:
    async with agents(
        workflows=[PlainAgent], plugins=plugins(ScriptedModel(say("never")), tests=python_server)
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(PlainAgent.run, "tools")
    assert failure(error.value).type == "AgentValueError"
    assert "hooks=[...]" in failure(error.value).message


@workflow.defn
class Approved:
    """An interrupt before an MCP tool, resumed by the same agent or by another: then calls come first."""

    @workflow.run
    async def run(self, cache_tools: bool | None, another: bool) -> list[Any]:
        agent = self.agent(cache_tools)
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}
            for interrupt in result.interrupts or ()
        ]
        if another:
            snapshot = Agent.take_snapshot(agent, preset="session")
            agent = self.agent(cache_tools)
            Agent.load_snapshot(agent, snapshot)
        await agent.invoke_async(answers)
        return tool_results(agent)

    def agent(self, cache_tools: bool | None) -> TemporalAgent:
        tests = TemporalMCPClient("tests", cache_tools=cache_tools)
        agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)

        def approve(event: BeforeToolCallEvent) -> None:
            if event.interrupt("approval", reason=event.tool_use["name"]) != "yes":
                event.cancel_tool = "denied"

        agent.add_hook(approve, BeforeToolCallEvent)
        return agent


@pytest.mark.parametrize("cache_tools", [None, False])
@pytest.mark.parametrize("another", [False, True])
async def test_an_interrupt_before_a_tool(agents: Agents, cache_tools: bool | None, another: bool) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), say("done"))
    async with agents(workflows=[Approved], plugins=plugins(model, tests=python_server)) as env:
        (result,) = await env.run(Approved.run, cache_tools, another)
    assert text(result) == "5"


FOREVER = TemporalMCPClient("tests")


@workflow.defn(sandboxed=False)
class KeptHandle:
    """A handle that outlives the run: without the sandbox it is the same object for all of them."""

    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("scripted", tools=[FOREVER], callback_handler=None).invoke_async("go")


async def test_a_handle_that_outlives_a_run_lists_in_each(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say("done"))
    async with agents(workflows=[KeptHandle], plugins=plugins(model, tests=python_server)) as env:
        for _ in range(2):
            await env.run(KeptHandle.run)
            assert await scheduled(env) == ["tests-list-tools", "invoke_model"]
