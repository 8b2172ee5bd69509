"""One trace through three plugins, as a receiver gets it: from the client to the MCP server's own spans."""

import itertools
import os
import sys
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters, stdio_client
from opentelemetry import trace
from packages.otel.tests.otlp_receiver import Receiver, otlp_receiver
from strands.tools.mcp import MCPClient
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tool
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient
from strands_temporal_otel import OTelPlugin

pytestmark = pytest.mark.server

SERVER = Path(__file__).with_name("traced_mcp_server.py")
ORDERS = [*itertools.permutations(range(3))]
"""Orders of the three plugins. Each combination of the test below uses another one."""


@workflow.defn
class TracedMCPWorkflow:
    """An agent with an MCP server's tool."""

    @workflow.run
    async def run(self, cache_tools: bool | None) -> str:
        tools = [TemporalMCPClient("traced", cache_tools=cache_tools)]
        agent = TemporalAgent("scripted", tools=tools, callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with otlp_receiver() as receiver:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver
        provider: Any = trace.get_tracer_provider()
        provider.shutdown()  # a late span may have reopened the export for this receiver


def plugins(*script: Any) -> list[Any]:
    def traced_client() -> MCPClient:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]}
        environment |= {"OTEL_SERVICE_NAME": "the server", "NO_PROXY": "127.0.0.1"}
        parameters = StdioServerParameters(command=sys.executable, args=[str(SERVER)], env=environment)
        transport: Any = partial(stdio_client, parameters)  # each major version of mcp has its own type
        return MCPClient(transport)

    model = ScriptedModel(*script, lambda call: say(call.text))
    return [
        OTelPlugin(),
        StrandsPlugin(models={"scripted": lambda: model}),
        MCPPlugin(mcp_clients={"traced": traced_client}),
    ]


@asynccontextmanager
async def running(client: Client, plugins: list[Any], **options: Any) -> AsyncGenerator[Worker]:
    connected = Client(client.service_client, plugins=plugins)
    queue = f"traced-mcp-{uuid.uuid4()}"
    async with Worker(connected, task_queue=queue, workflows=[TracedMCPWorkflow], **options) as worker:
        yield worker


async def ask(worker: Worker, cache_tools: bool | None) -> tuple[Any, str]:
    """Run the agent from the caller's span."""
    with trace.get_tracer("users").start_as_current_span("ask"):
        queue = worker.task_queue
        handle = await worker.client.start_workflow(
            TracedMCPWorkflow.run, cache_tools, id=queue, task_queue=queue
        )
        return handle, await handle.result()


def tree(receiver: Receiver) -> list[str]:
    """Return the caller's trace. The start of a worker has traces of its own."""
    trace_id = receiver.one("ask").trace_id
    others = {span.name.removeprefix("MCP send ") for span in receiver.spans if span.trace_id != trace_id}
    assert others == {"server/discover", "tools/list"}
    return Receiver("", [span for span in receiver.spans if span.trace_id == trace_id]).tree()


LISTING = """StartActivity:traced-list-tools
  RunActivity:traced-list-tools
"""
ASKED_SERVER = """    MCP send tools/list
      tools/list
"""
CHAT = """chat
  StartActivity:invoke_model
    RunActivity:invoke_model
      chat scripted
"""
CALL = """execute_tool traceparent
  StartActivity:traced-call-tool
    RunActivity:traced-call-tool
      MCP send tools/call traceparent
        tools/call traceparent
          the server's own work
"""


def expected(cache_tools: bool | None) -> list[str]:
    """Return the expected trace. It depends on where the tools are listed and whether the server is asked."""
    listing = LISTING if cache_tools is None else LISTING + ASKED_SERVER
    once, each = ("", listing) if cache_tools is False else (listing, "")
    cycles = [each + CHAT + CALL, each + CHAT]
    body = once + "".join(
        "execute_event_loop_cycle\n" + "".join(f"  {line}\n" for line in cycle.splitlines())
        for cycle in cycles
    )
    above = ["ask", "StartWorkflow:TracedMCPWorkflow", "RunWorkflow:TracedMCPWorkflow"]
    above.append("invoke_agent Strands Agents")
    return ["  " * i + name for i, name in enumerate(above)] + [
        "        " + line for line in body.splitlines()
    ]


@pytest.mark.sample(3)
@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "uncached"])
@pytest.mark.parametrize("cache_tools", [None, True, False])
async def test_one_trace_from_the_client_to_the_mcp_server(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], cached: int, cache_tools: bool | None
) -> None:
    stacked = plugins(use_tool("traceparent", {}))
    order = ORDERS[2 * [None, True, False].index(cache_tools) + bool(cached)]
    ordered = [stacked[i] for i in order]
    options: dict[str, Any] = {**worker_options, "max_cached_workflows": cached}
    async with running(client, ordered, **options) as worker:
        handle, seen = await ask(worker, cache_tools)
    assert tree(receiver) == expected(cache_tools)
    assert receiver.twice() == []
    call = receiver.one("MCP send tools/call traceparent")
    assert seen == f"00-{call.trace_id}-{call.span_id}-01"  # the server's `_meta`
    assert call.trace_id == receiver.one("ask").trace_id
    assert receiver.one("the server's own work").service == "the server"

    receiver.clear()
    await assert_replays(handle, [TracedMCPWorkflow], plugins=ordered)
    assert receiver.spans == []


async def test_a_call_that_is_tried_again_is_one_span_per_attempt(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], tmp_path: Path
) -> None:
    stacked = plugins(use_tool("die_once", {"marker": str(tmp_path / "died")}))
    async with running(client, stacked, **worker_options) as worker:
        _, seen = await ask(worker, None)
    (start,) = receiver.named("StartActivity:traced-call-tool")
    attempts = sorted(receiver.named("RunActivity:traced-call-tool"), key=lambda span: span.start)
    assert [span.parent_id for span in attempts] == [start.span_id] * 2
    calls = sorted(receiver.named("MCP send tools/call die_once"), key=lambda span: span.start)
    assert [span.parent_id for span in calls] == [span.span_id for span in attempts]
    assert seen == f"00-{calls[1].trace_id}-{calls[1].span_id}-01"
    # The worker opens the new session. It is not part of the call that found the old one dead.
    assert len({span.trace_id for span in receiver.named("MCP send server/discover")}) == 2
    assert start.trace_id not in {span.trace_id for span in receiver.named("MCP send server/discover")}
