"""No polling in history: Strands' timed waits, and what they become in a workflow."""

import ast
import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strands
from conftest import Agents
from packages.core.tests.upstream.time_limits_scenes import NODE_LIMITS_OF_SWARMS, agent, graph, takes
from strands import Agent
from strands.multiagent import GraphBuilder, Swarm
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

from strands_temporal._upstream.install import CANCEL_WATCHER, SWARM_STATE, adapt_strands
from strands_temporal._upstream.waiting import QUEUE_POLLER
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import CancelSignal, activity_as_tool

STRANDS = Path(next(iter(strands.__path__)))


# --- Strands' waits with a time limit, and what each becomes

WAITS: dict[str, list[str]] = {
    # polls that `_upstream/` removes in a workflow
    "agent/agent.py": ["asyncio.sleep(_CANCEL_POLL_INTERVAL)"],
    "background_tasks/_background_tasks.py": [
        "asyncio.wait(waiters, timeout=_CANCEL_POLL_INTERVAL, return_when=asyncio.FIRST_COMPLETED)"
    ],
    "multiagent/graph.py": [
        "asyncio.wait_for(event_queue.get(), timeout=0.1)",
        "asyncio.wait_for(stream_node(), timeout=self.node_timeout)",  # intended: one timer per node
    ],
    # intended: in a workflow a durable timer for each wait that the user asked for
    "event_loop/_retry.py": ["asyncio.sleep(delay)"],  # a plain Agent's retries; a TemporalAgent has none
    "models/routing/classifier_strategy.py": [
        "asyncio.wait_for(self._classify(context, profiles), timeout=self._timeout)"
    ],
    "multiagent/swarm.py": ["asyncio.timeout(timeout)"],  # the node timeout
    "vended_tools/sleep/sleep.py": ["asyncio.sleep(seconds)"],
    "background_tasks/in_process/_engine.py": [
        "asyncio.get_running_loop().call_later(self._timeout, self._timeout_task, task_id, active_execution)"
    ],
    "background_tasks/in_process/_manager.py": [
        "asyncio.wait_for(asyncio.shield(operation), timeout=float(timeout))"
    ],
    # on the worker, in activities
    "models/bedrock.py": ["asyncio.sleep(_CANCEL_POLL_INTERVAL)"],
    "sandbox/stream_process.py": ["asyncio.sleep(timeout)"],
    "tools/mcp/mcp_client.py": [],  # all of it: the real client never runs in a workflow
}
"""Strands 1.62: each file that may run in a workflow, and its waits that have a time limit."""

NEVER_IN_A_WORKFLOW = ("bidi/", "tools/mcp/", "multiagent/a2a/")


def waits_of(source: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node)
        name = ast.unparse(node.func)
        limited = any(keyword.arg == "timeout" for keyword in node.keywords)
        if (
            name in ("asyncio.sleep", "asyncio.wait_for", "asyncio.timeout", "asyncio.timeout_at")
            or name.endswith((".call_later", ".call_at"))
            or (name == "asyncio.wait" and limited)
        ):
            found.append(call)
    return sorted(found)


def test_strands_waits_with_a_clock_where_we_know_it() -> None:
    found = {
        name: waits
        for path in sorted(STRANDS.rglob("*.py"))
        if not (name := path.relative_to(STRANDS).as_posix()).startswith(NEVER_IN_A_WORKFLOW)
        and (waits := waits_of(path))
    }
    expected = {name: sorted(waits) for name, waits in WAITS.items() if waits}
    assert found == expected, (
        "Strands waits with a clock elsewhere than in the version this was written for. Each is a timer in "
        "history when it runs in a workflow. Is it a poll? Take it out in _upstream/waiting.py; if not, note "
        "here what it is for"
    )


def test_strands_watches_a_cancel_signal_where_the_adaptation_takes_its_place() -> None:
    module_name, name = CANCEL_WATCHER
    module = importlib.import_module(module_name)
    source = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    (watcher,) = (
        node for node in source.body if isinstance(node, ast.AsyncFunctionDef) and node.name == name
    )
    assert [argument.arg for argument in watcher.args.args] == ["external", "internal"]
    assert [ast.unparse(node) for node in watcher.body[-2:]] == [
        "while not external.is_set():\n    await asyncio.sleep(_CANCEL_POLL_INTERVAL)",
        "internal.set()",
    ]
    uses = [node for node in ast.walk(source) if isinstance(node, ast.Name) and node.id == name]
    assert len(uses) == 1  # by its name in the module, which `_upstream/` replaces
    adapt_strands()
    first = vars(module)[name]
    adapt_strands()
    assert vars(module)[name] is first
    assert type(first).__name__ == "WorkflowCancelWatcher"


def test_a_swarms_state_takes_its_start_where_the_adaptation_gives_it() -> None:
    source = ast.parse((STRANDS / "multiagent/swarm.py").read_text("utf-8"))
    assert "start_time: float = field(default_factory=time.time)" in ast.unparse(source)
    made = [node for node in ast.walk(source) if isinstance(node, ast.Name) and node.id == SWARM_STATE[1]]
    calls = [node.func for node in ast.walk(source) if isinstance(node, ast.Call)]
    assert made
    assert all(node in calls for node in made)  # it is only called, by its name in the module
    adapt_strands()
    from strands.multiagent import swarm

    assert swarm.SwarmState(current_node=None, task="go").start_time == pytest.approx(time.time(), abs=5)


def test_no_other_class_of_strands_holds_a_clock_of_its_own() -> None:
    """A class keeps the default factory that it was created with: a later stand-in would have no effect."""
    held = {
        f"{path.relative_to(STRANDS).as_posix()}: {ast.unparse(node)}"
        for path in STRANDS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.keyword)
        and node.arg == "default_factory"
        and ast.unparse(node.value).startswith(("time.", "uuid.", "random."))
    }
    assert held == {
        "multiagent/graph.py: default_factory=time.time",  # each run of a graph passes its own value
        "multiagent/swarm.py: default_factory=time.time",
    }


def test_a_graphs_nodes_still_end_with_an_event_that_wakes_its_queue() -> None:
    """This event makes the poll unnecessary. Without it, the wait would never end."""
    source = ast.parse((STRANDS / "multiagent/graph.py").read_text("utf-8"))
    functions = {node.name: node for node in ast.walk(source) if isinstance(node, ast.AsyncFunctionDef)}
    polls = [
        ast.unparse(node)
        for node in ast.walk(functions[QUEUE_POLLER])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.wait_for"
    ]
    assert polls == ["asyncio.wait_for(event_queue.get(), timeout=0.1)"]
    (node,) = functions["_stream_node_to_queue"].body[1:]
    assert isinstance(node, ast.Try)
    assert [ast.unparse(line) for line in node.finalbody] == ["await event_queue.put(None)"]
    assert "asyncio.Queue()" in ast.unparse(functions[QUEUE_POLLER])  # unbounded, so a put never waits


async def test_outside_a_workflow_the_watcher_polls_as_before() -> None:
    adapt_strands()
    from strands.agent import agent

    external, internal = threading.Event(), threading.Event()
    watcher = asyncio.create_task(vars(agent)["_link_cancel_signal"](external, internal))
    await asyncio.sleep(0)
    assert not internal.is_set()
    external.set()
    await asyncio.wait_for(watcher, 5)
    assert internal.is_set()
    assert not isinstance(Agent(ScriptedModel(say("hi"))).cancel_signal, CancelSignal)


async def test_outside_a_workflow_a_graph_is_as_before() -> None:
    adapt_strands()
    agent = Agent(ScriptedModel(say("hi").after(0.3)), name="one", callback_handler=None)
    builder = GraphBuilder()
    builder.add_node(agent, "one")
    builder.set_max_node_executions(5)
    result = await builder.build().invoke_async("go")
    assert result.status.value == "completed"


# --- Event counts

SECONDS = 2.0
"""A poll would leave some 20 (graph) or 40 (agent as tool) timers in this time."""


def two_graph_nodes() -> Any:
    builder = GraphBuilder()
    builder.add_node(agent("sub"), "one")
    builder.add_node(agent("sub", tools=[activity_as_tool(takes)]), "two")
    builder.set_max_node_executions(20)
    return builder.build()


BUILD: dict[str, Callable[[], Any]] = {
    "agent": agent,
    "sub-agent": lambda: agent(tools=[agent("sub").as_tool()]),
    "sub-agent with a tool": lambda: agent(tools=[agent("sub", tools=[activity_as_tool(takes)]).as_tool()]),
    "graph": lambda: graph("sub"),
    "graph, two nodes": two_graph_nodes,
    "chain": lambda: graph("sub", "model"),
    "graph with limits": lambda: graph("sub", execution_timeout=600.0, node_timeout=600.0),
    "swarm": lambda: Swarm([agent("sub")], node_timeout=600.0),
}


@workflow.defn
class Counted:
    @workflow.run
    async def run(self, case: str) -> str:
        return str(await BUILD[case]().invoke_async("go"))


def sub_model(seconds: float) -> ScriptedModel:
    def script(call: Any) -> Any:
        if "takes" in call.tool_names and "took it" not in call.text:
            return use_tool("takes", {"seconds": seconds})
        return say("from the sub-agent").after(0 if "took it" in call.text else seconds)

    return ScriptedModel(script)


@pytest.mark.sample(4)
@pytest.mark.server
@pytest.mark.parametrize(
    ("case", "activities", "timers"),
    [
        ("agent", 1, 0),
        ("sub-agent", 3, 0),
        ("sub-agent with a tool", 5, 0),
        ("graph", 1, 0),
        ("graph, two nodes", 4, 0),
        ("chain", 2, 0),
        ("graph with limits", 1, 1),  # the node's timeout, once
        ("swarm", 1, int(NODE_LIMITS_OF_SWARMS)),
    ],
)
async def test_history_has_the_activities_events_and_no_others(
    agents: Agents, case: str, activities: int, timers: int
) -> None:
    def script(call: Any) -> Any:
        if "sub" in call.tool_names and len(call.messages) == 1:
            return use_tool("sub", {"input": "help"})
        return say("done").after(SECONDS if case == "agent" else 0)

    models = {"model": lambda: ScriptedModel(script), "sub": lambda: sub_model(SECONDS)}
    async with agents(workflows=[Counted], activities=[takes], models=models) as env:
        await env.run(Counted.run, case)
        history = await env.handles[0].fetch_history()
    types = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]
    assert types.count("ACTIVITY_TASK_SCHEDULED") == activities
    assert types.count("TIMER_STARTED") == timers
    # started, completed, and around each activity (three events) a workflow task (three events)
    assert len(types) <= 2 + 3 + activities * (3 + 3) + timers * 2, types
