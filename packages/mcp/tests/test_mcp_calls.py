"""Calls of an MCP server's tools: their results, errors and questions, as a user sees them."""

import asyncio
import re
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import OneServer, attempts, plugins, scheduled, text, turn
from packages.mcp.tests.servers.clients import server_here
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient


@workflow.defn
class LargeArguments:
    """Calls the tool `measure` concurrently with texts of these sizes, and returns its answers."""

    @workflow.run
    async def run(self, sizes: list[int]) -> list[str]:
        agent = TemporalAgent("scripted", tools=[TemporalMCPClient("tests")], callback_handler=None)
        await agent.invoke_async("go")  # lists the tools
        calls = [agent.tool_async.measure(text="x" * size, record_direct_tool_call=False) for size in sizes]
        return [result["content"][0].get("text", "") for result in await asyncio.gather(*calls)]


pytestmark = pytest.mark.server


async def run_one_server(agents: Agents, *script: Any, **options: Any) -> tuple[list[Any], ScriptedModel]:
    """Run an agent with our server and a scripted model; return its tool results and the model."""
    model = ScriptedModel(*script, say("done"))
    async with agents(
        workflows=[OneServer], plugins=plugins(model, tests=lambda: server_here(**options))
    ) as env:
        return await env.run(OneServer.run, ["go"]), model


async def test_an_agent_calls_a_tool_of_a_server(agents: Agents) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), lambda call: say(call.text), say("again"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server_here)) as env:
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
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server_here)) as env:
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


async def test_a_tool_that_wants_the_user_to_visit_a_page_first_tells_the_model(
    agents: Agents,
) -> None:
    model = ScriptedModel(use_tool("authorized", {}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server_here)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert result["status"] == "error"
    assert text(result).startswith("MCP Elicitation required:")
    assert "https://example.com/sign-in" in text(result)


async def test_prefix_and_filters_of_the_client(agents: Agents) -> None:
    (result,), model = await run_one_server(
        agents, use_tool("my_add", {"a": 1, "b": 1}), prefix="my", tool_filters={"allowed": ["add"]}
    )
    assert model.calls[0].tool_names == ["my_add"]
    assert text(result) == "2"


async def test_a_result_too_large_for_temporal_is_a_failed_tool_for_the_model(agents: Agents) -> None:
    model = ScriptedModel(use_tool("big", {"kilobytes": 3000}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server_here)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]  # the call is not repeated
    assert result["status"] == "error"
    assert "The result of tool 'big' is too large for Temporal" in text(result)


async def test_arguments_too_large_for_temporal_are_a_failed_tool_and_many_at_once_go(agents: Agents) -> None:
    sizes = [3_000_000, *[400_000] * 12]
    async with agents(
        workflows=[LargeArguments], plugins=plugins(ScriptedModel(say("ok")), tests=server_here)
    ) as env:
        too_large, *others = await env.run(LargeArguments.run, sizes)
        assert (await scheduled(env)).count("tests-call-tool") == 12  # without the call that is too large
    assert re.match(
        r"Tool execution failed: Activity 'tests-call-tool': an input of 3,000,\d{3} bytes is too large for "
        "Temporal, which takes 2,093,056. Send less",
        too_large,
    )
    assert others == ["400000"] * 12
