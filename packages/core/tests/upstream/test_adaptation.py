"""The adaptations in `_upstream/` fit the installed Strands, and change nothing outside a workflow."""

import ast
import asyncio
import importlib
import importlib.util
import random
import re
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import strands
from temporalio import activity
from temporalio.common import RawValue

from strands_temporal._upstream.callers import called_by_strands
from strands_temporal._upstream.install import (
    ADAPTED_IF_LOADED,
    ADAPTED_NAMES,
    NEEDS_AN_EXTRA,
    SETTLEMENT,
    adapt_strands,
)
from strands_temporal._upstream.loop import TOOL_CALL_SITES, adapt_loop
from strands_temporal._upstream.private_api import activity_name

STRANDS = Path(next(iter(strands.__path__)))


# What is in Strands ---------------------------------------------------------------------------------------

CHANCE = re.compile(
    r"uuid\.uuid[14]|random\.\w+|secrets\.\w+|os\.urandom"
    r"|time\.(time|monotonic|perf_counter)(_ns)?|datetime\.datetime\.(now|utcnow|today)"
    r"|asyncio\.to_thread|.*\.run_in_executor|threading\.(Thread|Timer)"
    r"|concurrent\.futures\.(Thread|Process)PoolExecutor"
)
"""Names that give another value at each replay, or that need a thread."""

USES_OF_CHANCE: dict[str, set[str]] = {
    "_async.py": {"concurrent.futures.ThreadPoolExecutor"},
    "_identifier.py": {"os.urandom", "time.time"},
    "agent/agent.py": {"uuid.uuid4"},
    "background_tasks/_runtime.py": {"threading.Thread"},
    "background_tasks/in_process/_engine.py": {"datetime.datetime.now", "uuid.uuid4"},
    "background_tasks/in_process/_manager.py": {"uuid.uuid4"},
    "bidi/agent/agent.py": {"uuid.uuid4"},
    "bidi/agent/loop.py": {"time.perf_counter"},
    "bidi/io/audio.py": {"asyncio.to_thread"},
    "bidi/io/console/_io.py": {"uuid.uuid4"},
    "bidi/models/bedrock.py": {"uuid.uuid4"},
    "bidi/models/google.py": {"uuid.uuid4"},
    "bidi/models/openai/live.py": {"uuid.uuid4"},
    "bidi/models/openai/realtime.py": {"time.time", "uuid.uuid4"},
    "event_loop/event_loop.py": {"uuid.uuid4"},
    "event_loop/streaming.py": {"time.time"},
    "models/bedrock.py": {"asyncio.to_thread"},
    "models/gemini.py": {"secrets.token_urlsafe"},
    "models/litellm.py": {"uuid.uuid4"},
    "models/llamacpp.py": {"time.perf_counter"},
    "models/ollama.py": {"uuid.uuid4"},
    "models/sagemaker.py": {"asyncio.to_thread"},
    "multiagent/a2a/_converters.py": {"uuid.uuid4"},
    "multiagent/a2a/executor.py": {"uuid.uuid4"},
    "multiagent/base.py": {"time.time"},
    "multiagent/graph.py": {"time.time"},
    "multiagent/swarm.py": {"time.time"},
    "sandbox/not_a_sandbox_local_environment.py": {"uuid.uuid4"},
    "sandbox/posix_shell.py": {"uuid.uuid4"},
    "session/s3_session_manager.py": {"concurrent.futures.ThreadPoolExecutor"},
    "storage/local_file_storage.py": {"uuid.uuid4"},
    "storage/s3_storage.py": {"asyncio.to_thread"},
    "storage/search/bm25.py": {"asyncio.to_thread"},
    "telemetry/metrics.py": {"time.time", "uuid.uuid4"},
    "telemetry/tracer.py": {"datetime.datetime.now"},
    "tools/_caller.py": {"random.randint"},
    "tools/decorator.py": {"asyncio.to_thread"},
    "tools/executors/_executor.py": {"time.monotonic"},
    "tools/mcp/mcp_client.py": {"asyncio.to_thread", "threading.Thread", "uuid.uuid4"},
    "tools/registry.py": {"uuid.uuid4"},
    "tools/tools.py": {"asyncio.to_thread"},
    "types/_snapshot.py": {"datetime.datetime.now"},
    "types/content.py": {"uuid.uuid4"},
    "types/session.py": {"datetime.datetime.now"},
    "vended_interventions/cedar/cedar_authorization.py": {"datetime.datetime.now"},
    "vended_interventions/hitl/hitl.py": {"asyncio.to_thread"},
    "vended_memory_stores/bedrock_knowledge_base/store.py": {"asyncio.to_thread", "uuid.uuid4"},
    "vended_memory_stores/file_memory_store/store.py": {"time.time"},
    "vended_memory_stores/test_memory_store/store.py": {"datetime.datetime.now", "uuid.uuid4"},
    "vended_plugins/context_offloader/storage.py": {"time.time"},
    "vended_plugins/goal/plugin.py": {"time.monotonic"},
    "vended_plugins/steering/context_providers/ledger_provider.py": {"datetime.datetime.now"},
    "vended_tools/mcp_router/mcp_router.py": {"asyncio.to_thread", "threading.Thread", "uuid.uuid4"},
}
"""Strands 1.62: each file that uses such names, and the names."""


def names_used(source: Path) -> set[str]:
    """Return the dotted names that a module uses, each under its name in the module that defines it."""
    tree = ast.parse(source.read_text("utf-8"))
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.update(
                {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            )

    def dotted(node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            return imported.get(node.id, "")
        if isinstance(node, ast.Attribute):
            return f"{dotted(node.value) or '?'}.{node.attr}"
        return ""

    return {dotted(node) for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))}


def module_file(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"Strands has no module {module} any more"
    assert spec.origin is not None
    return Path(spec.origin)


def test_strands_uses_clock_ids_chance_and_threads_where_we_know_it() -> None:
    found = {
        path.relative_to(STRANDS).as_posix(): uses
        for path in sorted(STRANDS.rglob("*.py"))
        if (uses := {name for name in names_used(path) if CHANCE.fullmatch(name)})
    }
    differences = [
        f"{file}: new {sorted(found.get(file, set()) - USES_OF_CHANCE.get(file, set()))}, "
        f"gone {sorted(USES_OF_CHANCE.get(file, set()) - found.get(file, set()))}"
        for file in sorted(found.keys() | USES_OF_CHANCE.keys())
        if found.get(file) != USES_OF_CHANCE.get(file)
    ]
    assert not differences, (
        "Strands uses clock, ids, chance or threads elsewhere than in the version this was written for. For "
        "each new use decide: can it reach a message, a metric or a decision of an agent in a workflow? Then "
        "add the module to ADAPTED_NAMES in _upstream/install.py (or TOOL_CALL_SITES, for a tool's thread). "
        "If not, note it on the determinism page of the docs. Then bring USES_OF_CHANCE here in step:\n  "
        + "\n  ".join(differences)
    )


COVERED = {
    "BotocoreConfig": {""},
    "MetricsClient": {""},
    "NotASandboxLocalEnvironment": {""},
    "Path": {""},
    "ThreadPoolExecutor": {""},
    "Agent": {""},
    "_new_snapshot_id": {""},
    "_normalize_key": {""},
    "_normalize_messages": {""},
    "_normalize_prefix": {""},
    "_stream_process": {""},
    "boto3": {"Session"},
    "asyncio": {"get_running_loop", "run", "run_coroutine_threadsafe", "wait_for", "wrap_future"},
    "copy": {"deepcopy"},
    "datetime": {"now"},
    "dt": {"now"},
    "get_background_task_runtime": {""},
    "get_tracer": {""},
    "inspect": {"iscoroutinefunction"},
    "logger": {"debug"},
    "os": {"makedirs"},
    "random": {"randint"},
    "run_async": {""},
    "threading": {"Event"},
    "time": {"time", "monotonic", "perf_counter"},
    "uuid": {"uuid4"},
    "uuid4": {""},
}
"""The attributes of each name that the stand-ins change. "" means that the name itself is called."""

HARMLESS = {
    "asyncio": {
        "AbstractEventLoop",
        "CancelledError",
        "Event",
        "FIRST_COMPLETED",
        "Future",
        "Queue",
        "Task",
        "TimeoutError",
        "create_task",
        "ensure_future",
        "gather",
        "shield",
        "sleep",
        "wait",  # in in_process/_manager.py:348, which asks only one future
    },
    # After `makedirs` in the constructor.
    "os": {"fdopen", "listdir", "path", "replace", "unlink"},
    "threading": {"Lock"},
    "time": {"sleep"},
    "uuid": {"UUID", "uuid5", "NAMESPACE_OID"},
}


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in ADAPTED_NAMES.items() for name in names]
)
def test_each_adapted_module_uses_its_name_and_only_what_the_stand_in_covers(module: str, name: str) -> None:
    used: set[str] = set()
    if module in NEEDS_AN_EXTRA:
        pytest.importorskip(module, exc_type=ImportError)
    for node in ast.walk(ast.parse(module_file(module).read_text("utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            used.add(node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            used.add("")
    assert used, f"{module} does not use `{name}` any more: remove it from ADAPTED_NAMES"
    unknown = used - COVERED[name] - HARMLESS.get(name, set())
    assert not unknown, f"{module} uses {name}.{sorted(unknown)}: give the stand-in that too"
    assert used & COVERED[name], f"{module} uses nothing of `{name}` that the stand-in changes"
    adapt_strands()
    assert type(getattr(importlib.import_module(module), name)).__name__ in STAND_INS


STAND_INS = {
    "HooksInspect",
    "RefusesIO",
    "RefusesOperations",
    "SteeringLogger",
    "WorkflowAgent",
    "WorkflowAsyncio",
    "WorkflowBackgroundRuntime",
    "WorkflowBoto3",
    "WorkflowCopy",
    "WorkflowDatetime",
    "WorkflowDefaultSandbox",
    "WorkflowMetricsClient",
    "WorkflowNormalizing",
    "WorkflowExecutor",
    "WorkflowHostPath",
    "WorkflowProcess",
    "WorkflowRandom",
    "WorkflowRunAsync",
    "WorkflowThreading",
    "WorkflowTime",
    "WorkflowTracer",
    "WorkflowUuid",
    "WorkflowUuid4",
    "WorkflowUuid7",
}


@pytest.mark.parametrize("module", sorted(TOOL_CALL_SITES))
def test_strands_runs_plain_tools_through_to_thread_at_the_sites_we_know(module: str) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(module_file(module).read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.to_thread"
    ]
    assert [ast.unparse(call.args[0]) for call in calls] == ["self._tool_func"], (
        f"{module} uses asyncio.to_thread for other things than a tool's function: TOOL_CALL_SITES would run "
        "them inline in the workflow"
    )


# Outside a workflow ---------------------------------------------------------------------------------------


def test_outside_a_workflow_the_stand_ins_are_the_real_modules() -> None:
    adapt_strands()
    from strands.event_loop import streaming
    from strands.tools import _caller
    from strands.types import content

    stand_in_time: Any = vars(streaming)["time"]
    stand_in_uuid: Any = vars(content)["uuid"]
    stand_in_random: Any = vars(_caller)["random"]
    for clock in ("time", "monotonic", "perf_counter"):
        before = getattr(time, clock)()
        assert before <= getattr(stand_in_time, clock)() <= getattr(time, clock)()
    assert stand_in_time.sleep is time.sleep
    assert stand_in_uuid.UUID is uuid.UUID
    assert stand_in_uuid.uuid4() != stand_in_uuid.uuid4()
    assert stand_in_uuid.uuid4().version == 4
    state = random.getstate()
    try:
        random.seed(7)
        real = [random.randint(1, 10**9) for _ in range(3)]  # noqa: S311  # not a secret
        random.seed(7)
        assert [stand_in_random.randint(1, 10**9) for _ in range(3)] == real
    finally:
        random.setstate(state)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = stand_in_time.no_such_thing


def test_adapting_twice_changes_nothing() -> None:
    adapt_strands()
    adapted = [(m, n) for m, names in ADAPTED_NAMES.items() if m in sys.modules for n in names]
    assert {m for m, _ in adapted} >= ADAPTED_NAMES.keys() - NEEDS_AN_EXTRA - ADAPTED_IF_LOADED
    before = [getattr(sys.modules[m], n) for m, n in adapted]
    adapt_strands()
    after = [getattr(sys.modules[m], n) for m, n in adapted]
    assert all(one is two for one, two in zip(before, after, strict=True))


async def test_an_ordinary_event_loop_is_left_alone() -> None:
    loop = asyncio.get_running_loop()
    adapt_loop()
    assert "run_in_executor" not in vars(loop)
    assert await asyncio.to_thread(lambda: "in a thread") == "in a thread"


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("strands", True),
        ("strands.agent._agent_as_tool", True),
        ("strands_temporal._workflow.agent", False),
        ("strands_tools.calculator", False),
        ("my.strands.agent", False),
        ("__main__", False),
    ],
)
def test_called_by_strands_looks_at_the_callers_module(module: str, expected: bool) -> None:
    def refuses_users() -> bool:
        return called_by_strands(1)

    caller: dict[str, Any] = {"__name__": module, "refuses_users": refuses_users}
    exec("def call(): return refuses_users()", caller)  # noqa: S102  # needs a module of that name
    assert caller["call"]() is expected


class Desk:
    @activity.defn(name="answer_phone")
    async def answer(self) -> None: ...

    @activity.defn
    async def file(self) -> None: ...


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> None: ...


def test_activity_name() -> None:
    assert activity_name(Desk.answer) == "answer_phone"
    assert activity_name(Desk().answer) == "answer_phone"
    assert activity_name(Desk().file) == "file"
    assert activity_name(anything) == "dynamic"
    assert activity_name(len) is None
    assert activity_name(lambda: None) is None


# The page of the docs --------------------------------------------------------------------------------------


def test_the_determinism_page_names_every_source_and_every_adapted_name() -> None:
    page = (Path(__file__).parents[4] / "docs" / "determinism.md").read_text("utf-8")
    missing = [file for file in USES_OF_CHANCE if f"`{file}`" not in page]
    assert not missing, "Say on the page what these may influence and what we do about it"
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for module, names in ADAPTED_NAMES.items():
        file = module_path(module)
        mentions = " ".join(row for row in rows if f"`{file}`" in row)
        assert mentions, f"{file} is adapted: it belongs in a table"
        assert not [name for name in names if f"`{name}`" not in mentions], f"{file}: {names}"
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", page)) - {"_upstream/cost.py"}
    known = {module_path(module) for module in (*ADAPTED_NAMES, SETTLEMENT[0])} | USES_OF_CHANCE.keys()
    assert named <= known, "The page names files that hold no chance"


def module_path(module: str) -> str:
    return module.removeprefix("strands.").replace(".", "/") + ".py"
