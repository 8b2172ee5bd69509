"""A tool on the worker can change its agent's invocation state, and can request the end of the loop."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import strands
from conftest import Agents
from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent, HookProvider, HookRegistry
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.vended_tools import stop
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server


def echo(call: ScriptedCall) -> Reply:
    """Say what a model finds in its invocation state."""
    seen = {key: call.invocation_state.get(key) for key in ("request_state", "log", "user")}
    return say(f"{call.text} {seen}")


def write(context: Any, what: str) -> str:
    """Do the tools' work, which is the same in a plain agent, in an activity and on the worker."""
    state: dict[str, Any] = context.invocation_state
    found = {key: state.get(key) for key in ("request_state", "user", "log", "gone", "nested")}
    match what:
        case "top":
            state["user"] = "bob"
            state["new"] = {"a": [1, None, "ü"], "b": b"\x00\xff"}
        case "request":
            state["request_state"]["by"] = "a tool"
            state["request_state"].setdefault("many", []).append(1)
        case "nested":
            state["nested"]["deep"]["n"] += 1
            state["nested"]["deep"].pop("old", None)
            state["log"].append("tool")
        case "append":
            state["log"].append("tool")
        case "replace":
            state["log"] = ["other"]
            state["nested"] = {"is": "new"}
            del state["gone"]
        case "stop":
            state["request_state"]["stop_event_loop"] = True
        case "not json":
            state["request_state"]["odd"] = object()
            state["request_state"]["fine"] = 1
        case _:
            state["user"] = "nobody"
            raise LookupError(what)
    return str(found)


@strands.tool(name="write", context=True)
async def plain_write(what: str, tool_context: StrandsToolContext) -> str:
    """Write."""
    return write(tool_context, what)


@activity.defn(name="write")
async def write_activity(what: str, tool_context: ToolContext) -> str:
    """Write."""
    return write(tool_context, what)


@activity.defn(name="write")
def write_in_a_thread(what: str, tool_context: ToolContext) -> str:
    """Write."""
    return write(tool_context, what)


ONCE = RetryPolicy(maximum_attempts=1)
WAYS: dict[str, Callable[[], Any]] = {
    "hosted": lambda: TemporalTools("write", retry_policy=ONCE),
    "activity": lambda: activity_as_tool(write_activity, name="write", retry_policy=ONCE),
    "thread": lambda: activity_as_tool(write_in_a_thread, name="write", retry_policy=ONCE),
}


class AfterTools(HookProvider):
    """Writes what hooks find in the invocation state into the result, so that parity compares it."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(AfterToolCallEvent, self.note)

    def note(self, event: AfterToolCallEvent) -> None:
        seen = {key: event.invocation_state.get(key) for key in ("user", "new", "log", "request_state")}
        event.result["content"].append({"text": str(seen)})


async def with_state(agent: Agent) -> AgentResult:
    """Invoke the agent, and then add the caller's objects to the conversation."""
    log: list[str] = ["begin"]
    nested = {"deep": {"n": 1, "old": 0}, "other": True}
    state: dict[str, Any] = {"user": "eve", "log": log, "nested": nested, "gone": 1}
    result = await agent.invoke_async("go", invocation_state=state)
    kept = {key: state.get(key) for key in ("user", "log", "nested", "gone", "new")}
    kept["request_state"] = {key: value for key, value in state["request_state"].items() if key != "odd"}
    agent.messages.append({"role": "user", "content": [{"text": f"{kept} {log} {nested} {result.state}"}]})
    return result


def scenario(way: str, script: Callable[[], ScriptedModel], executor: Any = None) -> Scenario:
    def build(make: AgentFactory) -> Agent:
        tool = WAYS[way]() if make.durable else plain_write
        return make(tools=[tool], hooks=[AfterTools()], tool_executor=executor or SequentialToolExecutor())

    activities = [] if way == "hosted" else [write_activity if way == "activity" else write_in_a_thread]
    return Scenario(script, build, with_state, activities, {"write": plain_write})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (["top"], "'user': 'bob'"),
        (["request", "request"], "'request_state': {'by': 'a tool', 'many': [1, 1]}"),
        (["nested", "nested"], "['begin', 'tool', 'tool'] {'deep': {'n': 3}, 'other': True}"),
        (["replace"], "'gone': None"),
        (["top", "request", "nested"], "'log': ['begin', 'tool']"),
    ],
)
@pytest.mark.filterwarnings("ignore:request_state:DeprecationWarning")
async def test_what_a_tool_writes_is_there_for_tools_hooks_models_and_the_caller(
    client: Client, way: str, calls: list[str], said: str, worker_options: dict[str, Any]
) -> None:
    uses = [("write", {"what": what}, f"t{n}") for n, what in enumerate(calls)]
    parity = await run_parity(
        client, scenario(way, lambda: ScriptedModel(use_tools(uses), echo)), **worker_options
    )
    if calls == ["replace"]:  # changed in place, as by models, so a caller that holds the old objects sees it
        for seen in (parity.plain, parity.durable):
            text = seen.messages.pop()["content"][0]["text"]
            assert "'log': ['other'], 'nested': {'is': 'new'}, 'gone': None" in text
    else:
        assert said in parity.durable.messages[-1]["content"][0]["text"]
    parity.assert_equal()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore:request_state:DeprecationWarning")
async def test_a_tool_ends_the_loop_by_the_request_state(
    client: Client, way: str, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(
        client,
        scenario(way, lambda: ScriptedModel(use_tool("write", {"what": "stop"}))),
        **worker_options,
    )
    parity.assert_equal()
    assert len(parity.durable.given) == 1  # the model was not called again
    assert parity.durable.stop_reason == "tool_use"


@pytest.mark.parametrize("way", WAYS)
async def test_two_tools_at_once_keep_each_others_changes(
    client: Client, way: str, worker_options: dict[str, Any]
) -> None:
    uses = [("write", {"what": what}, f"t{n}") for n, what in enumerate(["request", "append", "nested"])]
    parity = await run_parity(
        client,
        scenario(way, lambda: ScriptedModel(use_tools(uses), say("done")), ConcurrentToolExecutor()),
        **worker_options,
    )
    text = parity.durable.messages[-1]["content"][0]["text"]
    assert text == parity.plain.messages[-1]["content"][0]["text"]
    assert "'user': 'eve', 'log': ['begin', 'tool', 'tool'], 'nested': {'deep': {'n': 2}" in text


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_not_json_stays_and_the_rest_crosses(
    client: Client, way: str, worker_options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    parity = await run_parity(
        client,
        scenario(way, lambda: ScriptedModel(use_tool("write", {"what": "not json"}), say("done"))),
        **worker_options,
    )
    assert "'request_state': {'fine': 1}" in parity.durable.messages[-1]["content"][0]["text"]
    assert "key=<request_state.odd>, type=<object> | the tool wrote" in caplog.text


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_failed_attempt_wrote_is_dropped(
    client: Client, way: str, worker_options: dict[str, Any]
) -> None:
    parity = await run_parity(
        client,
        scenario(way, lambda: ScriptedModel(use_tool("write", {"what": "fail"}), say("done"))),
        **worker_options,
    )
    assert "'user': 'nobody'" in parity.plain.messages[-1]["content"][0]["text"]
    assert "'user': 'eve'" in parity.durable.messages[-1]["content"][0]["text"]
    assert "LookupError" in str(parity.durable.tool_results)


# --- A hosted tool that calls `agent.cancel` ----------------------------------------------------------------


@strands.tool(context=True)
async def cancels(now: bool, tool_context: StrandsToolContext) -> str:
    """End the agent's loop."""
    agent = cast("Agent", tool_context.agent)
    agent.cancel(message="ended by a tool", after_current_tools=not now)
    return f"cancelled, the signal is {tool_context.cancel_signal.is_set()}"


ENDING: dict[str, tuple[Any, dict[str, Any]]] = {
    "stop": (stop, {"message": "all is done"}),
    "after the tools": (cancels, {"now": False}),
    "now": (cancels, {"now": True}),
}


@pytest.mark.parametrize("case", ENDING)
@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
async def test_a_hosted_tool_ends_the_loop_by_agent_cancel(
    client: Client, case: str, executor: Any, worker_options: dict[str, Any]
) -> None:
    tool, arguments = ENDING[case]

    def build(make: AgentFactory) -> Agent:
        return make(tools=[TemporalTools("it") if make.durable else tool], tool_executor=executor)

    async def twice(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go")
        return await agent.invoke_async(f"it was {first.stop_reason}: {first}")

    parity = await run_parity(
        client,
        Scenario(
            lambda: ScriptedModel(use_tool(tool.tool_name, arguments), lambda call: say(call.text)),
            build,
            twice,
            tools={"it": tool},
        ),
        **worker_options,
    )
    parity.assert_equal()
    said = "all is done" if case == "stop" else "ended by a tool"
    assert (parity.durable.text or "").strip() == f"it was cancelled: {said}"


# --- Beside a value that cannot be sent ---------------------------------------------------------------------


@workflow.defn
class OddStateWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        agent = TemporalAgent("m", tools=[TemporalTools("write")], callback_handler=None)
        odd = object()
        state: dict[str, Any] = {"request_state": {"odd": odd}, "user": "eve"}
        await agent.invoke_async("go", invocation_state=state)
        kept = state["request_state"]
        return [str(kept["odd"] is odd), kept["by"], state["user"]]


async def test_a_request_state_that_cannot_cross_is_written_to_all_the_same(agents: Agents) -> None:
    model = ScriptedModel(use_tool("write", {"what": "request"}), say("done"))
    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"write": plain_write})
    async with agents(workflows=[OddStateWorkflow], plugins=[plugin]) as env:
        assert await env.run(OddStateWorkflow.run) == ["True", "a tool", "eve"]
