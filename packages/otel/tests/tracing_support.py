"""Shared by the tracing tests: the model, the plugins, and trees of spans."""

import asyncio
import threading
import uuid
from typing import Any

from opentelemetry import trace
from packages.otel.tests.traced_workflows import (
    WeatherWorkflow,
)
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal_otel import OTelPlugin

CYCLE = """execute_event_loop_cycle
  chat
    StartActivity:invoke_model
      RunActivity:invoke_model
        chat scripted
"""
TREE = f"""ask
StartWorkflow:WeatherWorkflow
RunWorkflow:WeatherWorkflow
invoke_agent Strands Agents
{CYCLE}  execute_tool letter_counter
{CYCLE}  execute_tool fetch_sky
    StartActivity:fetch_sky
      RunActivity:fetch_sky
{CYCLE}  execute_tool Weather
"""


def tree_of(text: str) -> list[str]:
    """Return the lines of `text` as a tree: each first line inside the previous one, all others below."""
    lines = text.splitlines()
    heads = next(i for i, line in enumerate(lines) if line == "execute_event_loop_cycle")
    return ["  " * min(i, heads) + line for i, line in enumerate(lines)]


def echo(call: ScriptedCall) -> Reply:
    return say(call.text)


def weather_model() -> ScriptedModel:
    return ScriptedModel(
        use_tool("letter_counter", {"word": "SECRET", "letter": "E"}),
        use_tool("fetch_sky", {"city": "SECRET"}),
        lambda call: use_tool("Weather", {"city": "Rome", "sky": call.text}),
    )


def plugins(*script: Any) -> list[Any]:
    model = ScriptedModel(*script) if script else weather_model()
    return [OTelPlugin(), StrandsPlugin(models={"scripted": lambda: model})]


async def ask(client: Client, task_queue: str) -> Any:
    """Run the agent from the caller's span, as a user's service does."""
    with trace.get_tracer("users").start_as_current_span("ask"):
        handle = await client.start_workflow(
            WeatherWorkflow.run, "SECRET question", id=f"otel-{uuid.uuid4()}", task_queue=task_queue
        )
        return handle, await handle.result()


async def threads_are_gone(before: set[threading.Thread]) -> bool:
    """Wait until every exporter thread that is not in `before` has ended."""
    for _ in range(500):
        left = {t for t in threading.enumerate() if t.name.lower().startswith("otel")} - before
        if not left:
            return True
        await asyncio.sleep(0.01)
    return False
