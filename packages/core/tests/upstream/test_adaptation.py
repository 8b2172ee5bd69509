"""The adaptation module: it fits the Strands that is installed, and does in a workflow what it says."""

import ast
import asyncio
import importlib
import importlib.util
import inspect
import logging
import random
import re
import sys
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import strands
from conftest import Agents, at_rest
from strands import tool
from strands.tools.mcp import MCPClient
from strands.tools.tools import PythonAgentTool
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.common import RawValue

from strands_temporal import TemporalAgent
from strands_temporal._upstream.callers import called_by_strands
from strands_temporal._upstream.install import ADAPTED_NAMES, NEEDS_AN_EXTRA, adapt_strands
from strands_temporal._upstream.loop import TOOL_CALL_SITES, adapt_loop
from strands_temporal._upstream.private_api import activity_name, note_mcp_errors, sub_agents_that_remember
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool, use_tools

STRANDS = Path(next(iter(strands.__path__)))

# What is in Strands ---------------------------------------------------------------------------------------

CHANCE = re.compile(
    r"uuid\.uuid[14]|random\.\w+|secrets\.\w+|os\.urandom"
    r"|time\.(time|monotonic|perf_counter)(_ns)?|datetime\.datetime\.(now|utcnow|today)"
    r"|asyncio\.to_thread|.*\.run_in_executor|threading\.(Thread|Timer)"
    r"|concurrent\.futures\.(Thread|Process)PoolExecutor"
)
"""What gives another value at each replay, or needs a thread."""

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
"""Strands 1.62: each file, and what of chance it uses."""


def names_used(source: Path) -> set[str]:
    """Return the dotted names that a module uses, as the modules they were imported from call them."""
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
    "ThreadPoolExecutor": {""},
    "_new_snapshot_id": {""},
    "boto3": {"Session"},
    "asyncio": {"get_running_loop", "run", "run_coroutine_threadsafe", "wait", "wait_for", "wrap_future"},
    "copy": {"deepcopy"},
    "datetime": {"now"},
    "dt": {"now"},
    "get_background_task_runtime": {""},
    "get_tracer": {""},
    "inspect": {"iscoroutinefunction"},
    "logger": {"debug"},
    "random": {"randint"},
    "threading": {"Event"},
    "time": {"time", "monotonic", "perf_counter"},
    "uuid": {"uuid4"},
    "uuid4": {""},
}
"""What of each name the stand-ins change; "" is the name itself, called."""

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
    },
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
    "SteeringLogger",
    "WorkflowAsyncio",
    "WorkflowBackgroundRuntime",
    "WorkflowBoto3",
    "WorkflowCopy",
    "WorkflowDatetime",
    "WorkflowExecutor",
    "WorkflowRandom",
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
        real = [random.randint(1, 10**9) for _ in range(3)]  # noqa: S311  # no secret
        random.seed(7)
        assert [stand_in_random.randint(1, 10**9) for _ in range(3)] == real
    finally:
        random.setstate(state)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = stand_in_time.no_such_thing


def test_adapting_twice_changes_nothing() -> None:
    adapt_strands()
    adapted = [(m, n) for m, names in ADAPTED_NAMES.items() if m in sys.modules for n in names]
    assert {m for m, _ in adapted} >= ADAPTED_NAMES.keys() - NEEDS_AN_EXTRA
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
    exec("def call(): return refuses_users()", caller)  # noqa: S102  # a module of that name
    assert caller["call"]() is expected


class Desk:
    @activity.defn(name="answer_phone")
    async def answer(self) -> None: ...

    @activity.defn
    async def file(self) -> None: ...


@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> None: ...


def test_sub_agents_that_remember() -> None:
    inner = strands.Agent(ScriptedModel(), name="inner", callback_handler=None)
    agent = strands.Agent(
        ScriptedModel(),
        tools=[inner.as_tool(name="keeps", preserve_context=True), inner.as_tool(name="forgets")],
        callback_handler=None,
    )
    assert sub_agents_that_remember(agent) == {"keeps": inner}


def test_note_mcp_errors() -> None:
    client = MCPClient(url="http://127.0.0.1:1/mcp")
    noted: list[Exception] = []
    note_mcp_errors(client, noted.append)
    # By the name that Strands calls, in `call_tool_async` and `call_tool_sync`, with all that it knows.
    assert inspect.getsource(MCPClient).count("return self._handle_tool_execution_error(tool_use_id, e)") == 2
    result = client._handle_tool_execution_error("t1", LookupError("no such thing"))  # pyright: ignore[reportPrivateUsage]  # as Strands
    assert result["content"] == [{"text": "Tool execution failed: no such thing"}]
    assert isinstance(noted[0], LookupError)


def test_activity_name() -> None:
    assert activity_name(Desk.answer) == "answer_phone"
    assert activity_name(Desk().answer) == "answer_phone"
    assert activity_name(Desk().file) == "file"
    assert activity_name(anything) == "dynamic"
    assert activity_name(len) is None
    assert activity_name(lambda: None) is None


# Clock and ids in a workflow ------------------------------------------------------------------------------


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: The letter to count.
    """
    return word.lower().count(letter.lower())


def count_then_answer(call: ScriptedCall) -> Any:
    if call.messages[-1]["content"][0].get("toolResult"):
        return say(call.text)
    return use_tool("letter_counter", {"word": "strawberry", "letter": "r"})


@workflow.defn
class ConversationWorkflow:
    """An agent built in `__init__`, one built later, asked by update."""

    def __init__(self) -> None:
        self.closed = False
        self.agents = [TemporalAgent("claude", tools=[letter_counter], callback_handler=None)]
        self.drawn: list[Any] = []

    @workflow.run
    async def run(self) -> list[Any]:
        await workflow.wait_condition(lambda: self.closed)
        return self.drawn

    @workflow.update
    async def ask(self, prompt: str) -> str:
        self.draw()
        if prompt == "second":
            self.agents.append(TemporalAgent("claude", tools=[letter_counter], callback_handler=None))
        result = await self.agents[-1].invoke_async(prompt)
        self.draw()
        return str(result).strip()

    def draw(self) -> None:
        self.drawn.append([str(workflow.uuid4()), workflow.random().random()])

    @workflow.signal
    def close(self) -> None:
        self.closed = True

    @workflow.query
    def seed(self) -> str:
        return str(workflow.random_seed())

    @workflow.query
    def ids_drawn_in_a_query(self) -> list[str]:
        from strands.telemetry.metrics import Trace

        return [Trace("in a query").id, Trace("another").id]

    @workflow.query
    def seen(self) -> list[Any]:
        return [
            {
                "session": agent.session_id,
                "messages": [message.get("tracking_id") for message in agent.messages],
                "latencies": [message.get("metadata") for message in agent.messages],
                "cycles": [
                    cycle.event_loop_cycle_id
                    for invocation in agent.event_loop_metrics.agent_invocations
                    for cycle in invocation.cycles
                ],
                "durations": agent.event_loop_metrics.cycle_durations,
                "tools": [usage.total_time for usage in agent.event_loop_metrics.tool_metrics.values()],
                "traces": [
                    [trace.id, trace.start_time, trace.end_time, [child.id for child in trace.children]]
                    for trace in agent.event_loop_metrics.traces
                ],
            }
            for agent in self.agents
        ]


def longer_than_nothing(seen: list[Any]) -> bool:
    return any(duration > 0 for agent in seen for duration in agent["durations"])


@pytest.mark.server
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "no cache"])
async def test_ids_and_durations_are_the_same_after_a_replay_and_the_users_own_are_not_shifted(
    agents: Agents, cached: bool
) -> None:
    options: dict[str, Any] = {
        "workflows": [ConversationWorkflow],
        "models": {"claude": lambda: ScriptedModel(count_then_answer)},
        "task_queue": f"conversation-{uuid.uuid4()}",
    }
    if not cached:
        options["max_cached_workflows"] = 0
    async with agents(**options) as env:
        handle = await env.start(ConversationWorkflow.run)
        for prompt in ("first", "more", "second", "third"):
            assert await handle.execute_update(ConversationWorkflow.ask, prompt) == "3"
            one, two = await handle.query(ConversationWorkflow.ids_drawn_in_a_query)
            assert one != two
        await at_rest(handle)
        live = await handle.query(ConversationWorkflow.seen)
        seed = int(await handle.query(ConversationWorkflow.seed))
    first, second = live
    assert [len(agent["messages"]) for agent in live] == [8, 8]
    ids = [*first["messages"], *first["cycles"], *second["messages"], *second["cycles"]]
    assert len(set(ids)) == len(ids) == 2 * (8 + 4)  # no id twice
    assert all(uuid.UUID(id_).version == 4 for id_ in ids)
    assert first["session"] != second["session"]
    assert longer_than_nothing(live)

    async with agents(**options) as env:  # another worker, which has only the history
        same = env.client.get_workflow_handle_for(ConversationWorkflow.run, handle.id)
        assert await same.query(ConversationWorkflow.seen) == live
        await same.signal(ConversationWorkflow.close)
        drawn = await same.result()
        await env.assert_replays(same)

    users = random.Random(seed)  # noqa: S311  # Temporal's own, and no secret
    expected = [[str(uuid.UUID(int=users.getrandbits(128), version=4)), users.random()] for _ in range(8)]
    assert drawn == expected


# Plain tools in a workflow --------------------------------------------------------------------------------


@tool
def raising(kind: str) -> str:
    """Raise.

    Args:
        kind: What to raise.
    """
    raise {
        "key": KeyError("nothing there"),
        "value": ValueError("bad value"),
        "stop": StopIteration("the end"),
    }[kind]


@tool
async def in_a_thread() -> str:
    """Read a file, as an async tool would elsewhere."""
    return await asyncio.to_thread(lambda: "read")


@tool
async def in_the_executor() -> str:
    """Read a file, as an async tool would elsewhere."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: "read")


def module_tool(tool_use: Any, **_: Any) -> Any:
    text = f"module tool got {tool_use['input']['word']}"
    return {"toolUseId": tool_use["toolUseId"], "status": "success", "content": [{"text": text}]}


MODULE_TOOL = PythonAgentTool(
    "module_tool",
    {
        "name": "module_tool",
        "description": "A tool of a module.",
        "inputSchema": {"json": {"type": "object", "properties": {"word": {"type": "string"}}}},
    },
    module_tool,
)
TOOLS = [letter_counter, raising, in_a_thread, in_the_executor, MODULE_TOOL]


@workflow.defn
class ToolWorkflow:
    def __init__(self) -> None:
        self.signalled: list[str] = []

    @workflow.run
    async def run(self) -> str:
        return await self.call_tools()

    async def call_tools(self) -> str:
        agent = TemporalAgent("claude", tools=list(TOOLS), callback_handler=None)
        return str(await agent.invoke_async("go")).strip()

    @workflow.signal
    async def asked(self) -> None:
        self.signalled.append(await self.call_tools())

    @workflow.update
    async def ask(self) -> str:
        return await self.call_tools()


@workflow.defn
class SignalledWorkflow(ToolWorkflow):
    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: bool(self.signalled))
        return self.signalled[0]

    @workflow.signal
    async def asked(self) -> None:
        await super().asked()


def calling(name: str, arguments: dict[str, Any]) -> ScriptedModel:
    return ScriptedModel(lambda call: say(call.text) if len(call.messages) > 1 else use_tool(name, arguments))


@pytest.mark.server
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("letter_counter", {"word": "Strawberry", "letter": "R"}, "3"),
        ("letter_counter", {"word": "x"}, "Error: Validation failed for input parameters"),
        ("module_tool", {"word": "hello"}, "module tool got hello"),
        ("raising", {"kind": "key"}, "Error: KeyError - 'nothing there'"),
        ("raising", {"kind": "value"}, "Error: bad value"),
        ("raising", {"kind": "stop"}, "Error: RuntimeError - StopIteration: the end"),
    ],
)
async def test_a_plain_tool_runs_in_the_workflow_and_gives_its_own_answer(
    agents: Agents, name: str, arguments: dict[str, Any], answer: str, cache: int | None
) -> None:
    options = {} if cache is None else {"max_cached_workflows": cache}
    models = {"claude": lambda: calling(name, arguments)}
    async with agents(workflows=[ToolWorkflow], models=models, **options) as env:
        env.timeout = timedelta(seconds=20)  # a hang ends here
        assert (await env.run(ToolWorkflow.run)).startswith(answer)


@pytest.mark.server
async def test_a_plain_tool_runs_in_a_signal_handler_that_is_earlier_than_the_run(agents: Agents) -> None:
    models = {"claude": lambda: calling("letter_counter", {"word": "Strawberry", "letter": "R"})}
    async with agents(workflows=[SignalledWorkflow], models=models) as env:
        assert await env.run(SignalledWorkflow.run, start_signal="asked") == "3"


@pytest.mark.server
async def test_two_plain_tools_at_once_give_both_answers(agents: Agents) -> None:
    both = [
        ("letter_counter", {"word": "Strawberry", "letter": "R"}, "one"),
        ("letter_counter", {"word": "Banana", "letter": "a"}, "two"),
    ]
    model = ScriptedModel(use_tools([*both]), lambda call: say(call.text))
    async with agents(workflows=[ToolWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(ToolWorkflow.run) == "3\n3"


@pytest.mark.server
@pytest.mark.parametrize("name", ["in_a_thread", "in_the_executor"])
async def test_a_tool_that_takes_a_thread_itself_gets_an_error_that_names_the_activity_way(
    agents: Agents, name: str
) -> None:
    models = {"claude": lambda: calling(name, {})}
    async with agents(workflows=[ToolWorkflow], models=models) as env:
        answer = await env.run(ToolWorkflow.run)
    assert "test_adaptation wants to run in a thread, which a workflow has not" in answer
    assert "strands_temporal._workflow.activity_tool.activity_as_tool" in answer


@workflow.defn
class ThreadWorkflow:
    @workflow.run
    async def run(self) -> str:
        return await asyncio.to_thread(lambda: "read")


@pytest.mark.server
async def test_a_thread_in_the_users_own_workflow_code_is_refused_and_keeps_temporals_behaviour(
    agents: Agents,
) -> None:
    async with agents(workflows=[ThreadWorkflow], models={"claude": ScriptedModel}) as env:
        handle = await env.start(ThreadWorkflow.run)
        message = ""
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                message = event.workflow_task_failed_event_attributes.failure.message
                break
        await handle.terminate()
    assert "test_adaptation wants to run in a thread" in message
    assert "activity_as_tool" in message


@tool
def slow_tool() -> str:
    """Compute for more than half a second."""
    logging.getLogger("tests.slow_tool").warning("slow_tool ran")
    with workflow.unsafe.sandbox_unrestricted():
        time.sleep(0.6)
    return "computed"


@workflow.defn
class SlowToolWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("claude", tools=[slow_tool, letter_counter], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.server
async def test_a_slow_plain_tool_is_warned_of_once_and_not_on_replay(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(
        use_tool("letter_counter", {"word": "a", "letter": "a"}),
        use_tool("slow_tool", {}),
        lambda call: say(call.text),
    )
    models = {"claude": lambda: model}
    async with agents(workflows=[SlowToolWorkflow], models=models, max_cached_workflows=0) as env:
        assert await env.run(SlowToolWorkflow.run) == "computed"
    said = [record.getMessage() for record in caplog.records]
    assert said.count("slow_tool ran") > 1  # it was replayed
    warnings = [message for message in said if "a plain tool ran that long" in message]
    assert len(warnings) == 1
    assert warnings[0].startswith("seconds=<0.6>")
    assert "activity_as_tool" in warnings[0]


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
    known = {module_path(module) for module in ADAPTED_NAMES} | USES_OF_CHANCE.keys()
    assert named <= known, "The page names files that hold no chance"


def module_path(module: str) -> str:
    return module.removeprefix("strands.").replace(".", "/") + ".py"
