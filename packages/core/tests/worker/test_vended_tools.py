"""Strands' vended tools: with I/O hosted on the worker by one line each, without I/O in the workflow."""

import asyncio
import contextlib
import importlib
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import Agents
from integration_tests.http_server import QuietHandler, serving
from integration_tests.real_parts import answers, free_port
from packages.core.tests.failures import failure_of
from packages.core.tests.worker.hosted_scenes import ToolsWorkflow
from strands import Agent
from strands.agent import AgentResult
from strands.bidi import BidiAgent
from strands.bidi.models import BidiModel
from strands.vended_tools import (
    handoff_to_user,
    http_request,
    make_http_request,
    make_mcp_router,
    make_web_fetch,
    notebook,
    sleep,
    stop,
    web_fetch,
)
from temporalio import workflow
from temporalio.client import Client

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.activity import decode
from strands_temporal.testing import (
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
)

SERVER = Path(__file__).with_name("mcp_server.py")
PAGE = (
    "<html><head><title>Tea</title></head><body><h1>Green</h1><script>x()</script><p>Hot.</p></body></html>"
)


@pytest.fixture
def website() -> Generator[str]:
    """A web server with one page."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)  # without the date
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(PAGE.encode())

    with serving(Handler) as url:
        yield url


def calls(name: str, *inputs: dict[str, Any]) -> ScriptedModel:
    """A model that calls a tool with each input in turn, then repeats the last result."""
    steps = [use_tool(name, arguments, tool_use_id=f"{name}-{n}") for n, arguments in enumerate(inputs)]
    return ScriptedModel(*steps, lambda call: say(call.text), repeat=True)


def texts(messages: Any) -> list[str]:
    """Return the texts of the tools' results."""
    return [
        block["toolResult"]["content"][0]["text"]
        for message in messages
        for block in message["content"]
        if "toolResult" in block
    ]


async def both(
    agents: Agents, value: Any, local: Any, model: Callable[[], ScriptedModel]
) -> tuple[list[str], list[str], dict[str, Any]]:
    """Run a tool hosted on the worker, and in a plain agent; return the texts of their results."""
    async with agents(workflows=[ToolsWorkflow], models={"m": model}, tools={"hosted": value}) as env:
        result = decode(await env.run(ToolsWorkflow.run, ["hosted"]))
    agent = Agent(model(), tools=[local], callback_handler=None)
    await agent.invoke_async("go")
    return texts(result["messages"]), texts(agent.messages), result


def analyst() -> ScriptedModel:
    return ScriptedModel(lambda call: say(f"It is {'hot' if 'Hot.' in call.text else 'unknown'}."))


HOSTED: dict[str, tuple[Any, Any, dict[str, Any], str]] = {
    "http_request": (http_request, http_request, {"method": "GET"}, "<h1>Green</h1>"),
    "http_request, its module": (
        importlib.import_module("strands.vended_tools.http_request"),
        http_request,
        {"method": "GET"},
        "<h1>Green</h1>",
    ),
    "http_request, its factory": (make_http_request, http_request, {"method": "GET"}, "<h1>Green</h1>"),
    "web_fetch, markdown": (
        lambda: make_web_fetch(mode="markdown"),
        make_web_fetch(mode="markdown"),
        {},
        "# Green\n\nHot.",
    ),
    "web_fetch, with a model": (
        lambda: make_web_fetch(model=analyst()),
        make_web_fetch(model=analyst()),
        {"prompt": "How is it?"},
        "It is hot.",
    ),
}


@pytest.mark.server
@pytest.mark.parametrize("case", HOSTED)
async def test_web_tools_give_what_they_give_to_a_plain_agent(
    agents: Agents, website: str, case: str
) -> None:
    value, local, arguments, expected = HOSTED[case]
    name = case.partition(",")[0]

    def model() -> ScriptedModel:
        return calls(name, {"url": website, **arguments})

    durable, plain, result = await both(agents, value, local, model)
    assert durable == plain
    assert expected in durable[0]
    assert result["tools"] == [name]


@pytest.mark.server
async def test_web_fetch_without_a_model_says_what_to_write(agents: Agents, website: str) -> None:
    module = importlib.import_module("strands.vended_tools.web_fetch")
    async with agents(
        workflows=[ToolsWorkflow],
        models={"m": lambda: calls("web_fetch", {"url": website, "prompt": "How is it?"})},
        tools={"web_fetch": module},
    ) as env:
        result = decode(await env.run(ToolsWorkflow.run, ["web_fetch"]))
    (text,) = texts(result["messages"])
    assert "Make the tool with a model of its own in StrandsPlugin(tools=...)" in text


def server_processes() -> int:
    """Return how many servers of ours run."""
    number = 0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile; a zombie is one too
            number += str(SERVER) in child.cmdline()
    return number


@pytest.mark.server
async def test_an_mcp_router_keeps_its_connections_for_the_run(agents: Agents) -> None:
    servers: Any = {"echo": {"command": sys.executable, "args": [str(SERVER)]}}

    def router() -> Any:
        return make_mcp_router(servers=servers)

    def model() -> ScriptedModel:
        return calls(
            "mcp_router",
            {"command": "connect", "server_name": "echo", "connection_id": "one"},
            {"command": "list_tools", "connection_id": "one"},
            {
                "command": "call_tool",
                "connection_id": "one",
                "tool_name": "shout",
                "arguments": {"text": "hi"},
            },
            {"command": "list_connections"},
        )

    assert not server_processes()
    async with agents(
        workflows=[ToolsWorkflow],
        models={"m": model},
        tools={"mcp_router": router},
    ) as env:
        durable = texts(decode(await env.run(ToolsWorkflow.run, ["mcp_router"]))["messages"])
        assert server_processes() == 1
        handle = await env.start(ToolsWorkflow.run, ["mcp_router"])  # another run may use the same id
        assert texts(decode(await handle.result())["messages"]) == durable
    await gone()
    agent = Agent(model(), tools=[router()], callback_handler=None)
    await agent.invoke_async("go")
    await asyncio.to_thread(agent.tool.mcp_router, command="disconnect", connection_id="one")
    assert durable == texts(agent.messages)[: len(durable)]
    assert '"name": "shout"' in durable[1]
    assert durable[2:] == ["HI", "one"]


async def gone() -> None:
    """Wait until the servers of hosted routers have ended."""

    async def wait() -> None:
        while server_processes():  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.05)

    await asyncio.wait_for(wait(), 10)


@pytest.mark.server
async def test_an_a2a_client_talks_to_an_agent(agents: Agents) -> None:
    a2a = pytest.importorskip("strands.multiagent.a2a", reason="strands-agents[a2a] is not installed")
    uvicorn = pytest.importorskip("uvicorn")
    from strands.vended_tools import make_a2a_client

    def remote(_: str) -> Agent:
        model = ScriptedModel(lambda call: say(f"{call.text}, said A2A"))
        return Agent(model, name="far", description="Far.", callback_handler=None)

    port = free_port()
    options: dict[str, Any] = {"host": "127.0.0.1", "port": port, "enable_a2a_compliant_streaming": True}
    app = a2a.A2AServer(agent_factory=remote, **options).to_starlette_app()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    url = f"http://127.0.0.1:{port}"

    def model() -> ScriptedModel:
        said = {"operation": "send_message", "endpoint": url, "message": "hello"}
        return calls("a2a_client", {"operation": "discover", "endpoint": url}, said)

    try:
        await answers(port, 20, lambda: None)
        made = make_a2a_client(allowed_endpoints=[url])
        durable, plain, _ = await both(agents, lambda: make_a2a_client(allowed_endpoints=[url]), made, model)
    finally:
        server.should_exit = True
        await serving
    assert durable[0] == plain[0]
    assert '"name": "far"' in durable[0]
    assert "hello, said A2A" in durable[1]


# In the workflow -------------------------------------------------------------------------------------------


def talk(call: ScriptedCall) -> Reply:
    """Sleep, take a note, ask the user, and stop with what the user said."""
    number = len(call.messages)
    if number == 1:
        return use_tool("sleep", {"duration": 0.2}, tool_use_id="a")
    if number == 3:
        return use_tool("notebook", {"mode": "create", "name": "plan", "new_str": "- tea"}, tool_use_id="b")
    if number == 5:
        return use_tool("handoff_to_user", {"message": "Green or black?"}, tool_use_id="c")
    return use_tool("stop", {"message": f"You want {call.text}."}, tool_use_id="d")


async def answer(agent: Agent) -> AgentResult:
    result = await agent.invoke_async("go")
    (interrupt,) = list(result.interrupts or ())
    assert interrupt.reason == "Green or black?"
    response: Any = {"interruptResponse": {"interruptId": interrupt.id, "response": "green"}}
    return await agent.invoke_async([response])


@pytest.mark.server
@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "no cache"])
async def test_tools_without_io_run_in_the_workflow(
    client: Client, worker_options: dict[str, Any], cached: int
) -> None:
    tools = [sleep, notebook, handoff_to_user, stop]
    scenario = Scenario(lambda: ScriptedModel(talk), lambda make: make(tools=tools), answer)
    parity = await run_parity(client, scenario, **{**worker_options, "max_cached_workflows": cached})
    parity.assert_equal()
    assert parity.durable.stop_reason == "cancelled"
    assert "You want green." in str(parity.durable.messages)


# Refused ---------------------------------------------------------------------------------------------------

WITH_IO: dict[str, Any] = {
    "http_request": http_request,
    "web_fetch": web_fetch,
    "mcp_router": make_mcp_router(servers={"echo": {"command": "echo"}}),
}


@pytest.mark.parametrize("name", WITH_IO)
def test_a_vended_tool_with_io_is_refused_with_the_line_to_write(name: str) -> None:
    with pytest.raises(AgentTypeError, match="ST204") as error:
        TemporalAgent("m", tools=[WITH_IO[name]])
    assert f"StrandsPlugin(tools={{'{name}': lambda: make_{name}(" in str(error.value)
    assert f"TemporalTools('{name}')" in str(error.value)


def test_the_a2a_client_is_refused_with_the_line_to_write() -> None:
    with pytest.raises(AgentTypeError, match=r"lambda: make_a2a_client\(allowed_endpoints=.*ST204"):
        TemporalAgent("m", tools=["strands.vended_tools.a2a_client"])


@workflow.defn
class PlainAgentWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        agent = Agent(TemporalModel("m"), tools=[WITH_IO[name]], callback_handler=None)
        return str(await agent.invoke_async("go"))


@pytest.mark.server
@pytest.mark.parametrize("name", WITH_IO)
async def test_a_plain_agent_refuses_it_at_its_first_model_call(agents: Agents, name: str) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[PlainAgentWorkflow], models={"m": lambda: model}) as env:
        error = await failure_of(env, PlainAgentWorkflow.run, name)
    assert error.type == "AgentTypeError"
    assert f"Agent(tools=...): Strands' {name} would do its I/O inside the workflow" in error.message
    assert "[ST204" in error.message
    assert model.calls == []


def test_a_module_that_only_makes_tools_is_refused_with_the_line_to_write() -> None:
    module = importlib.import_module("strands.vended_tools.mcp_router")
    models = {"m": ScriptedModel}
    with pytest.raises(
        TypeError, match=r"holds no tool. Write `lambda: make_mcp_router\(\.\.\.\)`, from strands"
    ):
        StrandsPlugin(models=models, tools={"mcp_router": module})
    with pytest.raises(
        TypeError, match=r"needs \['servers'\].*Write `lambda: make_mcp_router\(servers=\.\.\.\)`"
    ):
        StrandsPlugin(models=models, tools={"mcp_router": make_mcp_router})


class Silent(BidiModel):
    """A bidirectional model of a user's own."""

    def update_config(self, **model_config: Any) -> None: ...

    def get_config(self) -> dict[str, Any]:
        return {"model_id": "silent"}

    async def start(self, *args: Any, **kwargs: Any) -> None: ...

    async def stop(self) -> None: ...

    async def send(self, content: Any) -> None: ...

    async def receive(self) -> AsyncGenerator[Any, None]:
        raise NotImplementedError
        yield


@workflow.defn
class BidiWorkflow:
    @workflow.run
    async def run(self, own: bool) -> str:
        return BidiAgent(Silent() if own else None).name


@pytest.mark.server
@pytest.mark.parametrize("own", [True, False], ids=["a model of one's own", "the default model"])
async def test_a_bidi_agent_is_refused_in_a_workflow(agents: Agents, own: bool) -> None:
    async with agents(workflows=[BidiWorkflow], models={"m": ScriptedModel}) as env:
        error = await failure_of(env, BidiWorkflow.run, own)
    assert error.type == "AgentTypeError"
    assert error.message.startswith("BidiAgent cannot run in a workflow: its audio and video are live")
    assert "[ST205" in error.message
    assert BidiAgent(Silent()).name  # outside of a workflow
