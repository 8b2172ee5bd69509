"""The adaptations of strands-harness fit the installed one, and a replay sees what the run saw."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import strands_harness
from conftest import Agents
from packages.core.tests.upstream.harness_scenes import ComparingWorkflow, keep
from packages.core.tests.upstream.test_adaptation import CHANCE, names_used
from packages.core.tests.workflow.harness_scenes import BoxSandbox, fill
from strands import Agent
from strands.tools.mcp import MCPClient
from strands_harness import agent as factory
from strands_harness.plugins import environment
from strands_harness.tools import subagent, web_fetch

from strands_temporal import StrandsPlugin
from strands_temporal._workflow.harness import session_id
from strands_temporal._workflow.harness_setup import prepare_harness
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

HARNESS = Path(next(iter(strands_harness.__path__)))

USES_OF_CHANCE = {
    "agent.py": {"uuid.uuid4"},
    "plugins/environment.py": {"datetime.date.today"},
    "tools/programmatic_tool_caller.py": {"random.randint"},
    "tools/web_fetch.py": {"asyncio.to_thread", "time.monotonic"},
    "tools/web_search.py": {"asyncio.to_thread"},
}
"""strands-harness 0.3.2: each file that uses clock, ids, chance or threads. The two uses of threads are
refused when the agent is built."""


def test_it_uses_clock_ids_chance_and_threads_where_we_know_it() -> None:
    found = {
        path.relative_to(HARNESS).as_posix(): uses
        for path in sorted(HARNESS.rglob("*.py"))
        if (
            uses := {
                name for name in names_used(path) if CHANCE.fullmatch(name) or name == "datetime.date.today"
            }
        )
    }
    assert found == USES_OF_CHANCE


def test_outside_of_a_workflow_nothing_has_changed() -> None:
    prepare_harness()
    names = dict(vars(factory))
    prepare_harness()
    assert vars(factory) == names
    model = ScriptedModel(say("no"))
    agent = strands_harness.create_harness(
        model=model, session=False, memory=False, skills=False, callback_handler=None
    )
    assert type(agent) is Agent
    assert getattr(environment, "date").today().year > 2000  # noqa: B009  # no public name
    assert "x" not in web_fetch._shells  # type: ignore[operator]  # pyright: ignore[reportPrivateUsage]
    assert isinstance(MCPClient(lambda: None), subagent.MCPClient)  # type: ignore[arg-type]


WITHOUT = """
import sys
sys.modules["strands_harness"] = None  # not installed
import strands_temporal, strands_temporal.workflow as w
assert "pydantic_monty" not in sys.modules
assert not hasattr(w, "durable_harness")
from strands_temporal.workflow import *
assert TemporalSandbox
try:
    w.durable_harness
except AttributeError as error:
    sys.stdout.write(str(error) + "\\n")
try:
    from strands_temporal.workflow import durable_harness
except strands_temporal.MissingExtraError as error:
    sys.stdout.write(str(error))
"""


def test_without_the_extra_nothing_is_imported_and_the_name_says_what_to_install() -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=True
    )
    lines = said.stdout.splitlines()
    assert len(lines) == 2
    assert all('pip install "strands-temporal[harness]"' in line for line in lines)


def test_a_session_id_tells_workflows_apart() -> None:
    ids = {session_id(workflow_id) for workflow_id in ("a-1", "a/1", "a 1", "A-1")}
    assert len(ids) == 4
    assert all("/" not in id_ and " " not in id_ for id_ in ids)


def calls(call: ScriptedCall) -> Reply:
    """Have code call tools whose ids are drawn, and fetch from the sandbox, in the first turn."""
    if call.answers:
        return say("done")
    code = (
        "import asyncio\n"
        "print(await asyncio.gather(facts(), facts()), await web_fetch(url='http://127.0.0.1:1/'))"
    )
    return use_tool("programmatic_tool_caller", {"code": code})


@pytest.mark.server
@pytest.mark.slow
async def test_another_process_replays_it_on_another_day(agents: Agents, tmp_path: Path) -> None:
    fill(tmp_path / "box")
    plugin = StrandsPlugin(
        models={"m": lambda: ScriptedModel(calls, config={"context_window_limit": 200_000})},
        sandboxes={"box": lambda: BoxSandbox(tmp_path / "box")},
    )
    async with agents(workflows=[ComparingWorkflow], activities=[keep], plugins=[plugin]) as env:
        handle = await env.start(ComparingWorkflow.run)
        seen = await handle.result()
    history = tmp_path / "history.json"
    history.write_text((await handle.fetch_history()).to_json())
    assert seen.count("tooluse_facts_") == 2
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "packages.core.tests.upstream.replay_harness", "2031-01-02", str(history)),
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": "."},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().endswith("replayed\n"), out.decode()
