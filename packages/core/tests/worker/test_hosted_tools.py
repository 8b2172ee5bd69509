"""Tools hosted on the worker: any Strands tool, by name, with the result that a plain agent gets."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import Agents
from integration_tests.http_server import QuietHandler, serving
from packages.core.tests.worker.hosted_scenes import ToolsWorkflow
from strands import Agent, ToolContext, tool
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from strands.vended_tools import file_editor, http_request, notebook, shell
from strands.vended_tools.python_repl import python_repl
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import decode
from strands_temporal.activity import tool_context as activity_context
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server
THRICE = RetryPolicy(maximum_attempts=3)


async def hosted(
    agents: Agents, tools: dict[str, Any], model: ScriptedModel, *names: str, **inputs: Any
) -> dict[str, Any]:
    """Run the agent in a workflow with hosted tools."""
    plugins = [StrandsPlugin(models={"m": lambda: model}, tools=tools)]
    async with agents(workflows=[ToolsWorkflow], plugins=plugins) as env:
        return decode(await env.run(ToolsWorkflow.run, list(names or tools), inputs.get("state")))


async def plain(tools: list[Any], model: ScriptedModel, state: dict[str, Any] | None = None) -> Agent:
    """Run a plain agent with the same tools."""
    agent = Agent(model, tools=tools, state=state, callback_handler=None)
    await agent.invoke_async("go", invocation_state={"user": "Ada"})
    return agent


def calling(name: str, *inputs: dict[str, Any]) -> Callable[[], ScriptedModel]:
    """A model that calls one tool with each input, then repeats the results."""
    calls = [(name, arguments, f"{name}-{number}") for number, arguments in enumerate(inputs)]
    return lambda: ScriptedModel(use_tools(calls), lambda call: say(call.text))


def without_ids(messages: Any) -> list[Any]:
    """Return the parts of messages that must agree between two runs."""
    return [{"role": message["role"], "content": message["content"]} for message in messages]


@pytest.fixture
def website() -> Generator[str]:
    """A web server that answers with the request."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)  # without the date
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(f"you asked for {self.path}".encode())

    with serving(Handler) as url:
        yield url


async def test_vended_http_request_runs_on_the_worker(agents: Agents, website: str) -> None:
    model = calling("http_request", {"method": "GET", "url": f"{website}/tea"})
    result = await hosted(agents, {"http_request": http_request}, model())
    local = await plain([http_request], model())
    assert "you asked for /tea" in str(result["messages"][2])
    assert without_ids(result["messages"]) == without_ids(local.messages)


async def test_vended_file_editor_shell_and_repl_touch_the_workers_machine(
    agents: Agents, tmp_path: Path
) -> None:
    path = tmp_path / "note.txt"
    tools: dict[str, Any] = {"file_editor": file_editor, "shell": shell, "repl": python_repl}
    model = ScriptedModel(
        use_tool("file_editor", {"command": "create", "path": str(path), "file_text": "from a tool\n"}),
        use_tool("shell", {"command": f"cat {path} && echo $PPID"}),
        use_tool("python_repl", {"code": f"print(open({str(path)!r}).read().upper())"}),
        lambda call: say(call.text),
    )
    result = await hosted(agents, tools, model)
    assert path.read_text() == "from a tool\n"
    texts = [call.text for call in model.calls]
    assert "from a tool" in texts[2]
    assert str(os.getpid()) in texts[2]
    assert "FROM A TOOL" in texts[3]
    assert result["tools"] == ["file_editor", "shell", "python_repl"]


@tool(context=True)
def who_asks(tool_context: ToolContext) -> dict[str, Any]:
    """Tell who asks, and how often."""
    state = tool_context.agent.state
    state.set("asked", (state.get("asked") or 0) + 1)
    return {"user": tool_context.invocation_state["user"], "asked": state.get("asked")}


async def test_state_and_invocation_state_cross_and_changes_come_back(agents: Agents) -> None:
    def model() -> ScriptedModel:
        return ScriptedModel(
            use_tool("who_asks", {}, tool_use_id="a"),
            use_tool("who_asks", {}, tool_use_id="b"),
            lambda call: say(call.text),
        )

    result = await hosted(agents, {"who_asks": who_asks}, model(), state={"asked": 4, "kept": [1]})
    local = await plain([who_asks], model(), state={"asked": 4, "kept": [1]})
    assert without_ids(result["messages"]) == without_ids(local.messages)
    assert result["state"] == local.state.get() == {"asked": 6, "kept": [1]}


async def test_the_notebook_keeps_its_pages_in_the_agents_state(agents: Agents) -> None:
    def model() -> ScriptedModel:
        return ScriptedModel(
            use_tool("notebook", {"mode": "create", "name": "plan", "new_str": "- tea"}, tool_use_id="a"),
            use_tool("notebook", {"mode": "read", "name": "plan"}, tool_use_id="b"),
            lambda call: say(call.text),
        )

    result = await hosted(agents, {"notebook": notebook}, model())
    local = await plain([notebook], model())
    assert without_ids(result["messages"]) == without_ids(local.messages)
    assert "- tea" in str(result["state"])
    assert result["state"] == local.state.get()


@tool(context=True)
def approve(tool_context: ToolContext, what: str) -> str:
    """Ask for approval."""
    return f"{what}: {tool_context.interrupt('approval', reason=what)}"


async def test_an_interrupt_of_a_hosted_tool_pauses_and_gets_its_answer(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools([("approve", {"what": "pay"}, "p"), ("approve", {"what": "ship"}, "s")]),
        lambda call: say(call.text),
    )
    result = await hosted(agents, {"approve": approve}, model)
    results = [block["toolResult"] for block in result["messages"][2]["content"]]
    assert [block["content"][0]["text"] for block in results] == ["pay: yes, pay", "ship: yes, ship"]


attempts: dict[str, int] = {}


@tool
def flaky(times: int) -> str:
    """Fail some times."""
    attempts["flaky"] = attempts.get("flaky", 0) + 1
    if attempts["flaky"] <= times:
        raise OSError("the line is down")
    return "through"


@tool
def strict(number: int) -> str:
    """Refuse a number."""
    attempts["strict"] = attempts.get("strict", 0) + 1
    raise ValueError(f"{number} is not welcome")


async def test_what_a_hosted_tool_raises_is_retried_but_for_a_value_error(agents: Agents) -> None:
    attempts.clear()

    def model() -> ScriptedModel:
        return ScriptedModel(
            use_tools([("flaky", {"times": 1}, "f"), ("strict", {"number": 3}, "s"), ("strict", {}, "t")]),
            lambda call: say(call.text),
        )

    result = await hosted(agents, {"flaky": flaky, "strict": strict}, model())
    texts = [block["toolResult"]["content"][0]["text"] for block in result["messages"][2]["content"]]
    assert texts[:2] == ["through", "Error: 3 is not welcome"]
    assert attempts == {"flaky": 2, "strict": 1}
    attempts["flaky"] = 1  # as if already retried
    local = await plain([flaky, strict], model())
    assert without_ids(result["messages"])[2] == without_ids(local.messages)[2]
    assert result["failed"] == ["ValueError", "ValueError"]


async def test_a_tool_that_fails_for_good_is_worded_as_locally(agents: Agents) -> None:
    attempts.clear()
    model = calling("flaky", {"times": 99})
    result = await hosted(agents, {"flaky": flaky}, model())
    local = await plain([flaky], model())
    assert without_ids(result["messages"])[2] == without_ids(local.messages)[2]
    assert attempts["flaky"] == 3 + 1
    assert result["failed"] == ["OSError"]


@tool
async def counting(to: int) -> AsyncIterator[Any]:
    """Count aloud."""
    for number in range(to):
        yield number
    yield {
        "status": "success",
        "content": [{"image": {"format": "png", "source": {"bytes": b"\x89PNG\xff"}}}],
    }


class Reverse(AgentTool):
    """A class-based tool."""

    @property
    def tool_name(self) -> str:
        return "reverse"

    @property
    def tool_spec(self) -> ToolSpec:
        schema: Any = {"json": {"type": "object", "properties": {"text": {"type": "string"}}}}
        return {"name": "reverse", "description": "Reverse.", "inputSchema": schema}

    @property
    def tool_type(self) -> str:
        return "python"

    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        text = str(tool_use["input"]["text"])[::-1]
        yield {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": text}]}


def module_tool() -> ModuleType:
    """A module as a tool, Strands' oldest form."""
    module = ModuleType("shout")
    module.__file__ = "shout.py"
    spec = {
        "name": "shout",
        "description": "Shout.",
        "inputSchema": {"json": {"type": "object", "properties": {"text": {"type": "string"}}}},
    }

    def shout(tool_use: Any, **kwargs: Any) -> Any:
        text = tool_use["input"]["text"].upper() + kwargs["user"]
        return {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": text}]}

    vars(module).update(TOOL_SPEC=spec, shout=shout)
    sys.modules["shout"] = module
    return module


async def test_generators_classes_modules_and_lists_of_tools_are_hosted(agents: Agents) -> None:
    def model() -> ScriptedModel:
        calls: list[Any] = [
            ("counting", {"to": 2}, "c"),
            ("reverse", {"text": "abc"}, "r"),
            ("shout", {"text": "hey "}, "s"),
        ]
        return ScriptedModel(use_tools(calls), lambda call: say(f"{len(call.messages)} messages"))

    shout = module_tool()
    tools = {"several": lambda: [counting, Reverse()], "shout": shout}
    result = await hosted(agents, tools, model())
    local = await plain([counting, Reverse(), shout], model())
    expected = [
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG\xff"}}},
        {"text": "cba"},
        {"text": "HEY Ada"},
    ]
    assert [
        block["toolResult"]["content"][0] for block in without_ids(local.messages)[2]["content"]
    ] == expected
    assert result["tools"] == local.tool_names
    assert without_ids(result["messages"])[3] == without_ids(local.messages)[3]


@tool
def key_of_this_call(order: int) -> str:
    """Tell the idempotency key."""
    return activity_context().idempotency_key


async def test_a_hosted_tool_knows_its_idempotency_key(agents: Agents) -> None:
    model = calling("key_of_this_call", {"order": 1}, {"order": 2})()
    result = await hosted(agents, {"key_of_this_call": key_of_this_call}, model)
    keys = [block["toolResult"]["content"][0]["text"] for block in result["messages"][2]["content"]]
    assert len(set(keys)) == 2
    assert all(len(key) == 32 for key in keys)
    assert not any(key in str(model.calls[0].tool_specs) for key in keys)


async def test_patterns_pick_tools_and_an_unknown_name_ends_the_run(agents: Agents) -> None:
    tools = {"math_flaky": flaky, "math_strict": strict, "who_asks": who_asks}
    seen: list[list[str]] = []

    def look(call: ScriptedCall) -> Reply:
        seen.append(call.tool_names)
        return say("done")

    result = await hosted(agents, tools, ScriptedModel(look), "math_*")
    assert result["tools"] == seen[0] == ["flaky", "strict"]
    with pytest.raises(WorkflowFailureError) as failure:
        await hosted(agents, tools, ScriptedModel(look), "mth_*")
    cause: Any = failure.value.cause
    assert cause.type == "ValueError"
    assert "Unknown tool 'mth_*'" in cause.message
    assert "['math_flaky', 'math_strict', 'who_asks']" in cause.message


watching = threading.Event()
stopped = threading.Event()


@tool(context=True)
def watches_its_signal(tool_context: ToolContext) -> str:
    """Work in a thread until told to stop."""
    watching.set()
    if tool_context.agent.cancel_signal.wait(30):
        stopped.set()
    return "stopped"


@workflow.defn
class CancelledToolWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("m", tools=[TemporalTools("watch")], callback_handler=None)

    @workflow.signal
    def stop(self) -> None:
        self.agent.cancel()

    @workflow.run
    async def run(self) -> str:
        return (await self.agent.invoke_async("go")).stop_reason


async def test_agent_cancel_reaches_a_hosted_tool_in_its_thread(agents: Agents) -> None:
    model = ScriptedModel(use_tool("watches_its_signal", {}), say("not reached"))
    plugins = [StrandsPlugin(models={"m": lambda: model}, tools={"watch": watches_its_signal})]
    async with agents(workflows=[CancelledToolWorkflow], plugins=plugins) as env:
        handle = await env.start(CancelledToolWorkflow.run)
        assert await asyncio.to_thread(watching.wait, 20)
        await handle.signal(CancelledToolWorkflow.stop)
        assert await asyncio.wait_for(handle.result(), 20) == "cancelled"
        assert await asyncio.to_thread(stopped.wait, 25)
        await env.assert_replays(handle)
    assert len(model.calls) == 1
