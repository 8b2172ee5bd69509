"""A graph runs its nodes in the same order in every process, so each gets its own answers after a restart."""

import ast
import asyncio
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import strands.multiagent.graph
from conftest import Agents
from packages.core.tests.upstream.graph_order_scenes import NAMES, EightNodes, named
from strands import Agent
from strands.multiagent import GraphBuilder
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel

ROOT = Path(__file__).parents[4]
SCENES = "packages.core.tests.upstream.graph_order_scenes"


def orders() -> list[list[str]]:
    """Return the orders in which a graph has its entry points, and its edges' ends."""
    StrandsPlugin()
    builder = GraphBuilder()
    for name in NAMES:
        builder.add_node(Agent(model=ScriptedModel("hi"), name=name), name)
    for name in NAMES[1:]:
        builder.add_edge(NAMES[0], name)
    builder.add_edge(NAMES[1], NAMES[2])
    for name in NAMES:
        builder.set_entry_point(name)
    builder.set_max_node_executions(9)
    graph = builder.build()
    found = {edge.to_node for edge in graph.edges}
    ends = [f"{edge.from_node.node_id}>{edge.to_node.node_id}" for edge in graph.edges]
    return [[node.node_id for node in graph.entry_points], ends, [node.node_id for node in found]]


def test_strands_takes_the_hash_of_the_id_where_the_adaptation_replaces_it() -> None:
    source = ast.parse(Path(strands.multiagent.graph.__file__).read_text("utf-8"))
    hashes = {
        f"{cls.name}: {ast.unparse(method.body[-1])}"
        for cls in source.body
        if isinstance(cls, ast.ClassDef)
        for method in cls.body
        if isinstance(method, ast.FunctionDef) and method.name == "__hash__"
    }
    assert hashes == {
        "GraphNode: return hash(self.node_id)",
        "GraphEdge: return hash((self.from_node.node_id, self.to_node.node_id))",
    }


def environment(seed: str) -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}


def test_the_order_is_the_same_in_every_process() -> None:
    code = f"import json; from {__name__} import orders; print(json.dumps(orders()))"
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    other = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(seed),
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert json.loads(other.stdout) == orders()
    # The same on every Python: a worker may be upgraded while a graph runs.
    assert " ".join(orders()[0]) == (
        "blue-ring green-ring green-cube blue-cube white-cube red-ring white-ring red-cube"
    )


@pytest.mark.slow
@pytest.mark.server
async def test_each_node_gets_its_own_answers_on_another_worker(
    agents: Agents, server: DevServer, client: Client
) -> None:
    """The first worker is killed between two rounds; another process replays the first, and goes on."""
    queue = f"graph-{uuid.uuid4()}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", SCENES, server.address, queue), env=environment("1"), cwd=ROOT
    )
    options: dict[str, Any] = {"workflows": [EightNodes], "models": {"m": lambda: ScriptedModel(named)}}
    try:
        handle = await client.start_workflow(EightNodes.run, id=queue, task_queue=queue)
        await asyncio.wait_for(handle.execute_update(EightNodes.until, 1), 60)
    finally:
        process.kill()
        await process.wait()
    async with agents(task_queue=queue, **options) as env:
        same: Any = env.client.get_workflow_handle_for(EightNodes.run, handle.id)
        await same.signal(EightNodes.go_on)
        await same.signal(EightNodes.go_on)
        first, second = await same.result()
        await env.assert_replays(same)
    assert {name: first[name] for name in NAMES} == {name: f"I am {name}" for name in NAMES}
    assert first == second
