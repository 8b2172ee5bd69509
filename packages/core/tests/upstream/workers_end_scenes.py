"""Agents of all kinds, each inside a call that does not return, while their worker ends."""

import asyncio
import gc
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest
from strands import Agent, tool
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterNodeCallEvent,
    AfterToolCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import SequentialToolExecutor
from temporalio import activity, workflow
from typing_extensions import override

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_hook, activity_as_tool

SOON = 30
LONG: Any = {"start_to_close_timeout": timedelta(minutes=5)}


@pytest.fixture(autouse=True)
def no_collection_by_itself() -> Generator[None]:
    """Collect garbage only where a test says so, and only the test's own: a collection must be short."""
    collects = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    if collects:
        gc.enable()


HOOKS: list[tuple[str, str | None]] = []
"""Hooks that were called, each with the workflow that was current then."""

waiting: list[str] = []
"""Names of the calls that wait for the test."""

let_go = asyncio.Event()

cut = asyncio.Event()
"""Set when a call that waits for the test is cancelled."""


@activity.defn
async def audit(what: str) -> None:
    if what == "wait":
        await wait_for_the_test("hook")


@activity.defn
async def stuck(name: str) -> str:
    """Wait for the test."""
    await wait_for_the_test(name)
    return f"{name} done"


async def wait_for_the_test(name: str) -> None:
    if not let_go.is_set():
        waiting.append(name)
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            cut.set()
            raise


@tool
async def nested(name: str) -> str:
    """Ask another agent."""
    result = await TemporalAgent(
        "asks one", callback_handler=None, tools=[STUCK], hooks=[Watch()]
    ).invoke_async(name)
    return str(result)


class Watch(HookProvider):
    """Notes each hook, and has an activity run at each."""

    def __init__(self, wait: bool = False) -> None:
        self._wait = wait

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        report = activity_as_hook(audit, activity_input=self._what, **LONG)
        for event in (AfterToolCallEvent, AfterModelCallEvent, AfterInvocationEvent, BeforeToolCallEvent):
            for callback in (self._note, report, self._note):  # some events reverse the order
                registry.add_callback(event, callback)

    def _note(self, event: Any) -> None:
        HOOKS.append((type(event).__name__, current()))

    def _what(self, event: Any) -> str:
        self._note(event)
        return "wait" if self._wait and isinstance(event, BeforeToolCallEvent) else "note"


class WatchNodes(HookProvider):
    """The same for the nodes of a graph or a swarm."""

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        report: Any = activity_as_hook(audit, activity_input=lambda _: "node", **LONG)
        for callback in (self._note, report, self._note):
            registry.add_callback(AfterNodeCallEvent, callback)

    def _note(self, event: AfterNodeCallEvent) -> None:
        HOOKS.append((type(event).__name__, current()))


def current() -> str | None:
    return workflow.info().workflow_type if workflow.in_workflow() else None


def scripts() -> dict[str, Callable[[], ScriptedModel]]:
    def asks(*steps: Any) -> Callable[[], ScriptedModel]:
        def script(call: ScriptedCall) -> Any:
            answered = sum("toolResult" in block for m in call.messages for block in m["content"])
            return steps[0] if not answered else say(call.text)

        return lambda: ScriptedModel(script)

    two = use_tools([("stuck", {"name": name}, name) for name in ("a", "b")])
    return {
        "asks one": asks(use_tool("stuck", {"name": "a"})),
        "asks two": asks(two),
        "asks an agent": asks(use_tool("nested", {"name": "inner"})),
        "never": lambda: ScriptedModel(lambda _: say("said").when(lambda: wait_for_the_test("model"))),
    }


STUCK = activity_as_tool(stuck, **LONG)


def agent(model: str, **options: Any) -> Agent:
    options.setdefault("tools", [STUCK, nested])
    options.setdefault("hooks", [Watch()])
    return TemporalAgent(model, callback_handler=None, **options)


def graph() -> Any:
    builder = GraphBuilder()
    for name in ("a", "b"):
        builder.add_node(agent("asks one", name=name), name)
    builder.set_max_node_executions(5)
    builder.set_hook_providers([WatchNodes()])
    return builder.build()


BUILD: dict[str, tuple[Callable[[], Any], int]] = {
    "a model call": (lambda: agent("never"), 1),
    "a tool": (lambda: agent("asks one"), 1),
    "tools at once": (lambda: agent("asks two"), 2),
    "tools in turn": (lambda: agent("asks two", tool_executor=SequentialToolExecutor()), 1),
    "a hook": (lambda: agent("asks one", hooks=[Watch(wait=True)]), 1),
    "a sub-agent": (lambda: agent("asks an agent"), 1),
    "a graph": (graph, 2),
    "a swarm": (lambda: Swarm([agent("asks one", name="one")], hooks=[WatchNodes()]), 1),
}
"""The cases: how to make the agent, and how many of its calls wait."""


class Busy:
    async def run(self, case: str) -> str:
        result = await BUILD[case][0]().invoke_async("go")
        return str(getattr(result, "stop_reason", None) or result.status.value)


@workflow.defn(name="Busy", sandboxed=False)
class BusyUnsandboxed(Busy):
    @workflow.run
    @override
    async def run(self, case: str) -> str:
        return await super().run(case)


ACTIVITIES: list[Callable[..., Any]] = [stuck, audit]


@pytest.fixture(autouse=True)
def fresh() -> None:
    HOOKS.clear()
    waiting.clear()
    let_go.clear()
    cut.clear()


async def until(count: int) -> None:
    while len(waiting) < count:  # noqa: ASYNC110  # activities of this loop change it
        await asyncio.sleep(0.02)
