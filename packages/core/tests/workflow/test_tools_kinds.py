"""Every kind of tool in Strands, in a workflow as in a plain agent."""

import asyncio
import types
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from temporalio import activity
from temporalio.client import Client

from strands_temporal.testing import (
    AgentFactory,
    Parity,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    Step,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


class PriceTool(AgentTool):
    """A class-based tool that streams what it does and ends with a result."""

    @property
    def tool_name(self) -> str:
        return "price"

    @property
    def tool_spec(self) -> ToolSpec:
        schema = {"json": {"type": "object", "properties": {"item": {"type": "string"}}}}
        return {"name": "price", "description": "Look up a price.", "inputSchema": schema}

    @property
    def tool_type(self) -> str:
        return "python"

    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        item = tool_use["input"].get("item")
        yield {"looking_up": item}
        await asyncio.sleep(0)
        if item == "nothing":
            raise LookupError("no such item")
        yield {
            "toolUseId": tool_use["toolUseId"],
            "status": "success",
            "content": [{"text": f"{item}: 3, for {invocation_state.get('user')}"}],
        }


@tool
def plain(word: str) -> str:
    """Turn a word around."""
    return word[::-1]


@tool
async def waits(word: str) -> str:
    """Wait, and shout."""
    await asyncio.sleep(0.001)
    return word.upper()


@tool
async def steps(to: int) -> AsyncGenerator[Any, None]:
    """Count, telling each step."""
    for number in range(to):
        await asyncio.sleep(0)
        yield {"step": number}
    if to == 3:
        raise ValueError("three is too many")
    yield f"counted to {to}"


@tool(context=True)
async def grows(tool_context: ToolContext) -> str:
    """Give the agent another tool."""

    @tool
    async def late(word: str) -> str:
        """Come late."""
        return f"late {word}"

    tool_context.agent.tool_registry.register_tool(late)
    return "there is another tool now"


def weather_module_tool(tool: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Answer, or fail as such tools do."""
    city = tool["input"]["city"]
    if city == "Atlantis":
        raise LookupError("sunk")
    return {
        "toolUseId": tool["toolUseId"],
        "status": "error" if city == "Nowhere" else "success",
        "content": [{"text": f"{city}: {sorted(kwargs)[:1]}"}],
    }


weather_module: Any = types.ModuleType("weather_module_tool")
weather_module.__file__ = __file__  # Strands treats anything with this attribute as a module
weather_module.TOOL_SPEC = {
    "name": "weather_module_tool",
    "description": "Look up the weather.",
    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
weather_module.weather_module_tool = weather_module_tool


def tools() -> list[Any]:
    return [plain, waits, steps, PriceTool(), weather_module, grows]


CALLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "sync": ("plain", {"word": "abc"}, "cba"),
    "async": ("waits", {"word": "abc"}, "ABC"),
    "generator": ("steps", {"to": 2}, "counted to 2"),
    "generator fails": ("steps", {"to": 3}, "Error: three is too many"),
    "class": ("price", {"item": "tea"}, "tea: 3, for eve"),
    "class fails": ("price", {"item": "nothing"}, "Error: no such item"),
    "module": ("weather_module_tool", {"city": "Bern"}, "Bern: ["),
    "module, error result": ("weather_module_tool", {"city": "Nowhere"}, "Nowhere: ["),
    "module fails": ("weather_module_tool", {"city": "Atlantis"}, "Error: sunk"),
}


async def streamed(agent: Agent) -> AgentResult:
    """Drive the agent by `stream_async`. At the end prompt it with what its tools have streamed."""
    events = agent.stream_async("go", invocation_state={"user": "eve"})
    seen = [str(e["tool_stream_event"]["data"]) async for e in events if "tool_stream_event" in e]
    return await agent.invoke_async(f"streamed: {sorted(seen)}")


@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
@pytest.mark.parametrize("case", CALLS)
async def test_one_call(client: Client, case: str, executor: Any, worker_options: dict[str, Any]) -> None:
    name, arguments, expected = CALLS[case]
    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(use_tool(name, arguments), echo, echo),
            build=lambda make: make(tools=tools(), tool_executor=executor),
            drive=streamed,
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert expected in parity.durable.tool_results[0]["content"][0]["text"]
    if case == "generator":
        assert "{'step': 1}" in parity.durable.messages[-2]["content"][0]["text"]


@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
async def test_all_of_them_at_once(client: Client, executor: Any, worker_options: dict[str, Any]) -> None:
    calls = [(name, arguments, f"t{n}") for n, (name, arguments, _) in enumerate(CALLS.values())]
    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(use_tools(calls), echo, echo),
            build=lambda make: make(tools=tools(), tool_executor=executor),
            drive=streamed,
        ),
        **worker_options,
    )
    if isinstance(executor, ConcurrentToolExecutor):
        for seen in (parity.plain, parity.durable):  # threads end in another order than inline calls
            seen.hook_events.sort(key=str)
            seen.tool_results.sort(key=str)
    parity.assert_equal()
    assert len(parity.durable.tool_results) == len(CALLS)


# --- Agents as tools ----------------------------------------------------------------------------------------


@activity.defn
async def look_up(what: str) -> str:
    """Look something up."""
    return f"found {what}"


@tool(name="look_up")
async def plain_look_up(what: str) -> str:
    """Look something up."""
    return f"found {what}"


def from_sub_agent(call: ScriptedCall) -> Reply:
    """Play both agents: the researcher has the tool, the other agent has the researcher."""
    if call.system_prompt == "research":
        last = call.messages[-1]["content"][0]
        return say(f"I {call.text}") if "toolResult" in last else use_tool("look_up", {"what": call.text})
    if "toolResult" in call.messages[-1]["content"][0]:
        return echo(call)
    return use_tool("researcher", {"input": "the answer"})


def with_researcher(delegate: bool, preserve: bool) -> Callable[[AgentFactory], Agent]:
    def build(make: AgentFactory) -> Agent:
        researcher = make(
            name="researcher",
            description="Finds things out.",
            system_prompt="research",
            tools=[activity_as_tool(look_up) if make.durable else plain_look_up],
        )
        return make(tools=[researcher.as_tool(delegate=delegate, preserve_context=preserve)])

    return build


@pytest.mark.parametrize("preserve", [False, True], ids=["fresh", "preserved"])
@pytest.mark.parametrize("delegate", [False, True], ids=["answers the agent", "delegate"])
async def test_an_agent_as_a_tool(
    client: Client, delegate: bool, preserve: bool, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(from_sub_agent),
            build=with_researcher(delegate, preserve),
            drive=prompts("go", "once more"),
            activities=[look_up],
        ),
        **worker_options,
    )
    parity.assert_equal()
    said = "I found the answer" if delegate else "it said: I found the answer"
    assert (parity.durable.text or "").strip() == said


async def test_an_agent_in_the_tools_list_is_a_tool(client: Client, worker_options: dict[str, Any]) -> None:
    def build(make: AgentFactory) -> Agent:
        look = activity_as_tool(look_up) if make.durable else plain_look_up
        researcher = make(name="researcher", description="d", system_prompt="research", tools=[look])
        return make(tools=[researcher])

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(from_sub_agent),
            build=build,
            drive=prompts("go"),
            activities=[look_up],
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert (parity.durable.text or "").strip() == "it said: I found the answer"


# --- Tools that come at run time ----------------------------------------------------------------------------


async def check_late(client: Client, worker_options: dict[str, Any], *steps: Step, **scenario: Any) -> Parity:
    parity = await run_parity(
        client, Scenario(script=lambda: ScriptedModel(*steps), **scenario), **worker_options
    )
    parity.assert_equal()
    return parity


def with_all_tools(make: AgentFactory) -> Agent:
    return make(tools=tools())


async def test_a_tool_adds_a_tool(client: Client, worker_options: dict[str, Any]) -> None:
    parity = await check_late(
        client,
        worker_options,
        use_tool("grows", {}),
        use_tool("late", {"word": "but here"}),
        echo,
        build=with_all_tools,
        drive=prompts("go"),
    )
    assert "late" not in parity.durable.given[0]["tools"]
    assert "late" in parity.durable.given[1]["tools"]
    assert (parity.durable.text or "").strip() == "it said: late but here"


async def test_an_activity_becomes_a_tool_between_two_turns(
    client: Client, worker_options: dict[str, Any]
) -> None:
    makes: list[AgentFactory] = []

    def build(make: AgentFactory) -> Agent:
        makes.append(make)
        return make(tools=[plain])

    async def drive(agent: Agent) -> AgentResult:
        await agent.invoke_async("before")
        durable = makes[-1].durable
        agent.tool_registry.register_tool(activity_as_tool(look_up) if durable else plain_look_up)
        return await agent.invoke_async("after")

    parity = await check_late(
        client,
        worker_options,
        use_tool("look_up", {"what": "x"}),
        echo,
        use_tool("look_up", {"what": "y"}, tool_use_id="second"),
        echo,
        build=build,
        drive=drive,
        activities=[look_up],
    )
    first, second = parity.durable.tool_results
    assert first["content"][0]["text"] == "Unknown tool: look_up"
    assert second["content"][0]["text"] == "found y"
