"""`background_tasks=` as in a plain agent: tools run while the model goes on, and it gets results later."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import strands
from packages.core.tests.upstream.background_scenes import (
    CACHES,
    add,
    delivered,
    found,
    gate,
    gates,
    research,
    told,
)
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import StrandsPlugin
from strands_temporal._upstream.install import SETTLEMENT
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import (
    AgentFactory,
    Parity,
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


@tool(name="research")
async def plain_research(topic: str) -> str:
    """Look something up, for long."""
    return await found(topic)


@activity.defn
async def transfer(amount: int, tool_context: ActivityToolContext) -> str:
    """Transfer money, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('approval', reason={'amount': amount})}"


@tool(name="transfer", context=True)
async def plain_transfer(amount: int, tool_context: ToolContext) -> str:
    """Transfer money, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('approval', reason={'amount': amount})}"


def tools_of(make: AgentFactory) -> list[Any]:
    if make.durable:
        once = RetryPolicy(maximum_attempts=1)
        return [activity_as_tool(research, retry_policy=once), activity_as_tool(transfer), add]
    return [plain_research, plain_transfer, add]


def opening(*topics: str) -> Callable[[], Any]:
    """Return a function, for `Reply.when`, that releases the tools of these topics."""

    async def open_gates() -> None:
        for topic in topics:
            gate(topic).set()

    return open_gates


async def run(agent: Agent) -> AgentResult:
    return await agent.invoke_async("go")


async def parity_of(
    client: Client,
    options: dict[str, Any],
    script: Callable[[], ScriptedModel],
    config: Any,
    drive: Any = run,
    hooks: Any = (),
) -> Parity:
    gates.clear()

    def fresh() -> ScriptedModel:
        gates.clear()
        return script()

    scenario = Scenario(
        fresh,
        lambda make: make(tools=tools_of(make), background_tasks=config, hooks=[hook() for hook in hooks]),
        drive,
        [research, transfer],
    )
    parity = await run_parity(client, scenario, **options)
    for seen in (parity.plain, parity.durable):
        # It is random when a background tool ends relative to the model's calls and to other tools.
        ended = [event for event in seen.hook_events if event[0] == "AfterToolCallEvent"]
        others = [event for event in seen.hook_events if event[0] != "AfterToolCallEvent"]
        seen.hook_events = others + sorted(ended, key=str)
        seen.tool_results.sort(key=str)
        for name, value in vars(seen).items():
            setattr(seen, name, without_ids(value))
    return parity


ID_OR_TIME = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"
)


def without_ids(value: Any) -> Any:
    """Number the ids in order of appearance, and drop the times."""
    numbers: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        text = match.group()
        return "TIME" if "T" in text else numbers.setdefault(text, f"ID{len(numbers)}")

    return json.loads(ID_OR_TIME.sub(number, json.dumps(value)))


@pytest.fixture
def options(worker_options: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    cache = request.node.callspec.params.get("cache")
    return worker_options if cache is None else {**worker_options, "max_cached_workflows": cache}


# --- As in a plain agent


def one_task() -> ScriptedModel:
    return ScriptedModel(
        use_tool("research", {"topic": "sky"}),
        say("meanwhile").when(opening("sky")),
        delivered,
    )


@CACHES
async def test_a_result_is_delivered_when_the_turn_has_ended(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    parity = await parity_of(client, options, one_task, {"always": ["research"]})
    parity.assert_equal()
    assert json.loads(parity.durable.text or "") == [["completed", None, [{"text": "sky is blue"}]]]
    assert "Background task dispatched" in str(parity.durable.messages[2])
    assert len(parity.durable.given) == 3


@CACHES
async def test_several_tasks_that_fail_or_not(client: Client, options: dict[str, Any], cache: Any) -> None:
    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(
            use_tools(
                [
                    ("research", {"topic": "sky"}, "t1"),
                    ("research", {"topic": "nothing"}, "t2"),
                    ("add", {"a": 1, "b": 2}, "t3"),
                ]
            ),
            say("meanwhile").when(opening("sky", "nothing")),
            delivered,
        ),
        {"always": ["research"], "never": ["add"]},
    )
    parity.assert_equal()
    assert [entry[:2] for entry in json.loads(parity.durable.text or "")] == [
        ["completed", None],
        ["failed", {"type": "tool_error", "message": "LookupError - nothing there"}],
    ]


@CACHES
async def test_the_model_chooses(client: Client, options: dict[str, Any], cache: Any) -> None:
    """`background_tasks=True` gives each tool a flag, with which the model chooses how the tool runs."""
    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(
            use_tools(
                [
                    ("research", {"topic": "sky", "_background_execution": True}, "t1"),
                    ("add", {"a": 1, "b": 2, "_background_execution": False}, "t2"),
                ]
            ),
            say("meanwhile").when(opening("sky")),
            delivered,
        ),
        True,
    )
    parity.assert_equal()
    assert "sky is blue" in (parity.durable.text or "")
    assert "strands_manage_background_task" in parity.durable.given[0]["tools"]


class Shout(HookProvider):
    """Changes a tool call through its events: the arguments, then the result."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self._before)
        registry.add_callback(AfterToolCallEvent, self._after)

    def _before(self, event: BeforeToolCallEvent[Any]) -> None:
        event.tool_use["input"]["topic"] = "sky"

    def _after(self, event: AfterToolCallEvent[Any]) -> None:
        event.result["content"] = [{"text": str(event.result["content"][0].get("text")).upper()}]


async def test_hooks_see_and_write_a_background_call(client: Client, worker_options: dict[str, Any]) -> None:
    script = lambda: ScriptedModel(  # noqa: E731
        use_tool("research", {"topic": "see"}), say("meanwhile").when(opening("sky")), delivered
    )
    parity = await parity_of(client, worker_options, script, {"always": ["research"]}, hooks=[Shout])
    parity.assert_equal()
    assert "SKY IS BLUE" in (parity.durable.text or "")


@CACHES
async def test_a_task_that_asks_pauses_the_agent_and_gets_its_answer(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        assert [interrupt.reason for interrupt in result.interrupts or ()] == [{"amount": 5}]
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "fine"}}
            for interrupt in result.interrupts or ()
        ]
        return await agent.invoke_async(answers)

    def answer(call: ScriptedCall) -> Reply:
        return delivered(call) if "fine" in str(call.messages) else say("meanwhile")

    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(use_tool("transfer", {"amount": 5}), *[answer] * 4),
        {"always": ["transfer"]},
        drive,
    )
    # In a plain agent it is random whether the model is called before the tool asks.
    assert parity.plain.messages[-1] == parity.durable.messages[-1]
    assert ["completed", None, [{"text": "5: fine"}]] in json.loads(parity.durable.text or "")
    assert parity.plain.text == parity.durable.text


@CACHES
async def test_the_model_cancels_a_task(client: Client, options: dict[str, Any], cache: Any) -> None:
    told.clear()

    def cancel(call: ScriptedCall) -> Reply:
        (task_id,) = re.findall(r"Task ID: (\S+)", call.text)
        return use_tool("strands_manage_background_task", {"mode": "cancel", "task_id": task_id})

    parity = await parity_of(
        client,
        options,
        lambda: ScriptedModel(use_tool("research", {"topic": "sky"}), cancel, *[delivered] * 2),
        {"always": ["research"]},
    )
    assert ["cancelled", None, []] in json.loads(parity.durable.text or "")
    assert (parity.plain.text, parity.plain.stop_reason) == (parity.durable.text, parity.durable.stop_reason)


# --- What the adaptation relies on


SETTLEMENT_BODY = """\
waiters = [asyncio.ensure_future(self._manager.wait(task['task_id'])) for task in tasks \
if not is_task_status_terminal(task['status'])]
try:
    while waiters and (not self._agent.cancel_signal.is_set()):
        settled, _ = await asyncio.wait(waiters, timeout=_CANCEL_POLL_INTERVAL, \
return_when=asyncio.FIRST_COMPLETED)
        if settled:
            return
finally:
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)"""
"""The body of `wait_for_settlement` in a workflow, without the poll."""


def test_strands_polls_for_a_settlement_where_the_adaptation_waits() -> None:
    package = Path(next(iter(strands.__path__))) / "background_tasks"
    tree = ast.parse((package / "_background_tasks.py").read_text("utf-8"))
    (poller,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == SETTLEMENT[-1]
    ]
    assert "\n".join(map(ast.unparse, poller.body[1:])) == SETTLEMENT_BODY
    assert ast.unparse(tree).count("asyncio.wait(") == 1
    manager = (package / "in_process" / "_manager.py").read_text("utf-8")
    assert manager.count("self._runtime = get_background_task_runtime()") == 1
    assert manager.count("get_running_loop()") == 2  # the agent's loop, and that of `_await_origin_result`
    assert manager.count("run_coroutine_threadsafe(") == manager.count("wrap_future(") == 1


@CACHES
async def test_a_hosted_tool_that_asks_in_the_background(
    client: Client, options: dict[str, Any], cache: Any
) -> None:
    models: list[ScriptedModel] = []

    def answer(call: ScriptedCall) -> Reply:
        return delivered(call) if "fine" in str(call.messages) else say("meanwhile")

    def script() -> ScriptedModel:
        models.append(ScriptedModel(use_tool("transfer", {"amount": 5}), *[answer] * 4))
        return models[-1]

    plugin = StrandsPlugin(
        models={"scripted": lambda: models[-1]}, tools={"transfer": lambda: plain_transfer}
    )

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        (asked,) = list(result.interrupts or ())
        answers: Any = [{"interruptResponse": {"interruptId": asked.id, "response": "fine"}}]
        return await agent.invoke_async(answers)

    scenario = Scenario(
        script,
        lambda make: make(
            tools=[TemporalTools("transfer") if make.durable else plain_transfer],
            background_tasks={"always": ["transfer"]},
        ),
        drive,
    )
    parity = await run_parity(client, scenario, **{**options, "plugins": [plugin]})
    assert parity.plain.text == parity.durable.text
    assert ["completed", None, [{"text": "5: fine"}]] in json.loads(parity.durable.text or "")
