"""Client tools: a client of the workflow runs the call, and the agent gets its result."""

import asyncio
import threading
import time
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.unprocessed import without_processing
from packages.core.tests.workflow.carry_scenes import next_run
from packages.core.tests.workflow.client_scenes import (
    FUNCTIONS,
    PLAIN_TOOLS,
    ClientTask,
    ClientWorkflow,
    echo,
    ended,
    open_calls,
    serving,
    work,
)
from strands import Agent
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from strands_temporal import ClientToolRefusedError, _client_tool_claims
from strands_temporal.testing import Reply, ScriptedModel, use_tool, use_tools

pytestmark = pytest.mark.server

MANY = use_tools(
    [
        ("read_file", {"path": "a.txt"}, "read-1"),
        ("shout", {"text": "hi", "times": 2}, "shout-1"),
        ("work", {"item": "x"}, "work-1"),
        ("read_file", {"path": "missing"}, "read-2"),
        ("read_file", {"lines": 3}, "read-3"),
        ("shout", {"text": "hi", "times": 0}, "shout-2"),
    ]
)


def environment(agents: Agents, *script: Any) -> Any:
    model = ScriptedModel(*script)
    return agents(workflows=[ClientWorkflow], models={"model": lambda: model}, activities=[work])


async def test_the_transcript_is_the_same_as_a_plain_agents(agents: Agents) -> None:
    again = use_tool("read_file", {"path": "b.txt", "lines": 1}, tool_use_id="read-4")
    async with environment(agents, MANY, again, echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        client, unprocessed = without_processing(env.client)
        async with serving(client, handle) as task:
            result = await ended(env, handle)
            await asyncio.wait_for(task, 10)  # it ends with the workflow
    plain = Agent(ScriptedModel(MANY, again, echo), tools=PLAIN_TOOLS, callback_handler=None)
    await plain.invoke_async("go")
    expected = plain_messages(plain.messages)
    got = plain_messages(result["messages"])
    refused: Any = expected[2]["content"][5]["toolResult"]
    # A plain tool with a schema of its own does not check it.
    assert refused["content"] == [{"text": '{"shouted": []}'}]
    refused["status"] = "error"
    text = "Error: Validation failed for input parameters: $.times: 0 is less than the minimum of 1"
    refused["content"] = [{"text": text}]
    for messages in (got, expected):  # the results are in the order in which the calls ended
        messages[2]["content"].sort(key=use_id)
    assert got == expected
    assert len(unprocessed.ids) == 2 * len(set(unprocessed.ids)) > 0
    assert result["exceptions"][-1] == "ClientToolError: FileNotFoundError - no file 'missing'"


def use_id(block: Any) -> str:
    return block["toolResult"]["toolUseId"]


def plain_messages(messages: Any) -> list[Any]:
    """Return messages without the ids that Strands gives them."""
    return [{"role": one["role"], "content": list(one["content"])} for one in messages]


async def _refused(handle: Any, update: str, message: Any) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update(update, message)
    assert isinstance(caught.value.cause, ApplicationError)
    return str(caught.value.cause.type)


async def test_a_result_is_taken_once_over_continue_as_new(agents: Agents) -> None:
    calls = [("shout", {"text": "hi"}, "shout-1"), ("read_file", {"path": "a"}, "read-1")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        shouts, reads = sorted(await open_calls(handle, 2), key=lambda call: call["tool"], reverse=True)
        assert (shouts["tool"], shouts["arguments"]) == ("shout", {"text": "hi"})
        good = {"id": shouts["id"], "result": {"shouted": "HI"}}
        current = env.client.get_workflow_handle(handle.id)
        assert (
            await _refused(current, "client_tool_result", {**good, "result": 7}) == "ClientResultDoesNotFit"
        )
        assert await _refused(current, "client_tool_result", {**good, "id": "x"}) == "UnknownClientCall"
        assert await _refused(current, "client_tool_result", "x") == "MalformedClientMessage"
        first: Any = await current.execute_update("client_tool_result", good, id="result-1")
        assert (first["id"], first["outcome"]) == (shouts["id"], "result")
        assert await _refused(current, "client_tool_result", good) == "ClientCallEnded"
        await current.signal("hand_over")
        await next_run(current, handle.first_execution_run_id)
        assert await current.execute_update("client_tool_result", good, id="result-1") == first
        assert await _refused(current, "client_tool_refused", {"id": shouts["id"]}) == "ClientCallEnded"
        assert [call["id"] for call in await open_calls(current)] == [reads["id"]]
        async with serving(env.client, handle):
            assert (await ended(env, handle))["text"].split("\n") == ['{"shouted": "HI"}', "2 lines of a"]


async def test_a_deadline_gives_the_model_an_error(agents: Agents) -> None:
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        result = await ended(env, await env.start(ClientWorkflow.run, ClientTask(deadline=0.3)))
    assert result["text"] == "Error: No client ran the call in time"
    assert result["exceptions"] == ["ClientToolError: No client ran the call in time"]


async def test_a_large_call_keeps_no_other_call_waiting(agents: Agents) -> None:
    sizes = {"read-1": 900_000, "read-2": 600_000, "read-3": 5}
    ran: list[int] = []

    def reads(path: str, lines: int) -> str:
        ran.append(len(path))
        return str(len(path))

    calls = [("read_file", {"path": "x" * size}, id_) for id_, size in sizes.items()]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        listed = await open_calls(handle, 3)
        assert [call["cut"] for call in listed] == [True, False, False]
        assert listed[0]["arguments"] is None
        assert [len(call["arguments"]["path"]) for call in listed[1:]] == [600_000, 5]
        (whole,) = await handle.query("client_tool_calls", listed[0]["id"])
        assert (whole["cut"], len(whole["arguments"]["path"])) == (False, 900_000)
        assert await handle.query("client_tool_calls", "no such call") == []
        async with serving(env.client, handle, {"read_file": reads}):
            result = await ended(env, handle)
    assert sorted(ran) == sorted(sizes.values())
    assert sorted(map(int, result["text"].split())) == sorted(sizes.values())


@pytest.mark.slow
async def test_a_deadline_does_not_move_with_continue_as_new(agents: Agents) -> None:
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask(deadline=2))
        (before,) = await open_calls(handle)
        current = env.client.get_workflow_handle(handle.id)
        await current.signal("hand_over")
        await next_run(current, handle.first_execution_run_id)
        assert (await open_calls(current)) == [before]
        assert (await ended(env, handle))["text"] == "Error: No client ran the call in time"


@pytest.mark.slow
async def test_a_function_may_refuse_and_its_result_may_not_fit(agents: Agents) -> None:
    def refuses(path: str, lines: int) -> str:
        raise ClientToolRefusedError(f"{path} is private")

    def shouts(text: str) -> list[str]:
        return [text]

    calls = [("shout", {"text": "hi"}, "shout-1"), ("read_file", {"path": "a"}, "read-1")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(env.client, handle, {"read_file": refuses, "shout": shouts}):
            lines = (await ended(env, handle))["text"].split("\n")
    assert sorted(lines) == [
        "Error: The client refused: a is private",
        "Error: The result of 'shout' does not fit its schema: ['hi'] is not of type 'object'",
    ]


@pytest.mark.slow
async def test_two_clients_run_each_call_once(agents: Agents) -> None:
    ran: list[str] = []

    async def runs(text: str, times: int = 1) -> dict[str, Any]:
        ran.append(text)
        await asyncio.sleep(0.5)  # the other client looks meanwhile
        return {"shouted": text}

    calls = [("shout", {"text": f"call {i}"}, f"shout-{i}") for i in range(8)]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(env.client, handle, {"shout": runs}), serving(env.client, handle, {"shout": runs}):
            await ended(env, handle)
    assert sorted(ran) == [f"call {i}" for i in range(8)]


@pytest.mark.slow
async def test_a_call_of_a_client_that_died_is_run_by_another(agents: Agents) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def hangs(path: str, lines: int) -> str:
        begun.set()
        await never.wait()
        return "never"

    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(env.client, handle, {"read_file": hangs}, name="first") as first:
            await asyncio.wait_for(begun.wait(), 10)
            (call,) = await open_calls(handle)
            assert call["claimed_by"] == "first"
            first.cancel()  # gives its call back
            async with serving(env.client, handle):
                assert (await ended(env, handle))["text"] == "2 lines of a"


@pytest.mark.slow
async def test_a_claim_lapses(agents: Agents) -> None:
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        (call,) = await open_calls(handle)
        claim = {"id": call["id"], "by": "a dead client", "seconds": 0.7}
        granted: Any = await handle.execute_update("client_tool_claim", claim)
        assert granted["by"] == "a dead client"
        assert await _refused(handle, "client_tool_claim", {**claim, "by": "b"}) == "ClientCallClaimed"
        async with serving(env.client, handle):
            assert (await ended(env, handle))["text"] == "2 lines of a"


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_client_whose_clock_is_wrong_runs_the_call_of_one_that_died(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Wrong":
            return cls.fromtimestamp(time.time() + 3600 * hours, tz)

    monkeypatch.setattr(_client_tool_claims, "datetime", Wrong)
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask(deadline=30))
        (call,) = await open_calls(handle)
        claim = {"id": call["id"], "by": "a dead client", "seconds": 0.7}
        await handle.execute_update("client_tool_claim", claim)
        async with serving(env.client, handle, lease=timedelta(seconds=1)):
            assert (await ended(env, handle))["text"] == "2 lines of a"


@pytest.mark.slow
async def test_a_stop_withdraws_the_call_and_cancels_the_function(agents: Agents) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def waits(path: str, lines: int) -> str:
        begun.set()
        try:
            return await asyncio.Future[str]()
        finally:
            cancelled.set()

    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(env.client, handle, {"read_file": waits}):
            await asyncio.wait_for(begun.wait(), 10)
            (call,) = await open_calls(handle)
            await handle.signal("stop")
            result = await ended(env, handle)
            await asyncio.wait_for(cancelled.wait(), 10)
    assert result["stop_reason"] == "cancelled"
    assert call["id"]


@pytest.mark.slow
async def test_a_cancelled_workflow_ends_while_it_waits(agents: Agents) -> None:
    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        await open_calls(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 10)
        assert isinstance(caught.value.cause, CancelledError)
        await env.assert_replays(handle)


@pytest.mark.slow
async def test_a_plain_function_does_not_block_the_others(agents: Agents) -> None:
    shouted = threading.Event()

    def reads(path: str, lines: int) -> str:
        assert shouted.wait(10)
        return "read"

    async def shouts(text: str) -> dict[str, Any]:
        shouted.set()
        return {"shouted": text}

    calls = [("read_file", {"path": "a"}, "read-1"), ("shout", {"text": "hi"}, "shout-1")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        async with serving(env.client, handle, {"read_file": reads, "shout": shouts}):
            assert set((await ended(env, handle))["text"].split("\n")) == {"read", '{"shouted": "hi"}'}


@pytest.mark.slow
async def test_the_client_may_attach_late_and_leave_tools_to_others(agents: Agents) -> None:
    calls = [("read_file", {"path": "a"}, "read-1"), ("shout", {"text": "hi"}, "shout-1")]
    async with environment(agents, use_tools(calls), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        await open_calls(handle, 2)
        async with serving(env.client, handle, {"shout": FUNCTIONS["shout"]}):
            (left,) = await open_calls(handle)
            assert left["tool"] == "read_file"
            async with serving(env.client, handle, {"read_file": FUNCTIONS["read_file"]}, name="other"):
                assert "2 lines of a" in (await ended(env, handle))["text"]


def script_of_runs(count: int) -> list[Reply]:
    return [use_tool("read_file", {"path": f"{i}"}, tool_use_id=f"read-{i}") for i in range(count)]


@pytest.mark.slow
async def test_a_client_follows_the_workflow_from_run_to_run(agents: Agents) -> None:
    """The workflow continues as new while its calls wait, and while a function runs."""
    current: Any = None
    runs: list[str] = []

    async def reads(path: str, lines: int) -> str:
        before = (await current.describe()).run_id
        await current.signal("hand_over")
        runs.append(await next_run(current, before))
        return f"read {path}"

    async with environment(agents, *script_of_runs(3), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        current = env.client.get_workflow_handle(handle.id)
        async with serving(env.client, handle, {"read_file": reads}):
            result = await ended(env, handle)
    assert len(set(runs)) == 3
    results = [m["content"][0]["toolResult"] for m in result["messages"][2::2]]
    assert [each["content"][0]["text"] for each in results] == ["read 0", "read 1", "read 2"]


@pytest.mark.slow
async def test_a_long_call_keeps_its_claim(agents: Agents) -> None:
    ran: list[str] = []

    async def slow(path: str, lines: int) -> str:
        ran.append(path)
        await asyncio.sleep(1.5)  # five times the lease
        return "slow"

    async with environment(agents, use_tool("read_file", {"path": "a"}), echo) as env:
        handle = await env.start(ClientWorkflow.run, ClientTask())
        lease = timedelta(seconds=0.3)
        async with (
            serving(env.client, handle, {"read_file": slow}, lease=lease),
            serving(env.client, handle, {"read_file": slow}, lease=lease),
        ):
            assert (await ended(env, handle))["text"] == "slow"
    assert ran == ["a"]
