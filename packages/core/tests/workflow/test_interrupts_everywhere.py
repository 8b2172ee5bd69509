"""Interrupts from every source in Strands, in a workflow as in a plain agent."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from packages.core.tests.workflow.payment_scenes import CACHES, answer_to, pay, plain_pay, three_payments
from strands import Agent, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeToolCallEvent, BeforeToolsEvent, HookProvider, HookRegistry
from strands.interventions import Confirm, InterventionHandler
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from temporalio.client import Client

from strands_temporal import StrandsPlugin
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


# --- Where questions come from


@tool(name="pay")
async def unasked_pay(amount: int) -> str:
    """Pay."""
    return f"{amount} paid: by a layer"


class AskingHook(HookProvider):
    def __init__(self, *events: type[Any]) -> None:
        self.events = events

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        for event in self.events:
            registry.add_callback(event, self.ask)

    def ask(self, event: Any) -> None:
        # One name, several questions: each answer belongs to its call.
        reason = event.tool_use["input"]["amount"] if isinstance(event, BeforeToolCallEvent) else "all"
        answer = event.interrupt("pay", reason=reason)
        if isinstance(event, BeforeToolCallEvent):
            event.tool_use["input"]["amount"] = f"{reason} ({answer})"


class AskingHandler(InterventionHandler):
    @property
    def name(self) -> str:
        return "pay"

    def before_tool_call(self, event: BeforeToolCallEvent[Any], **kwargs: Any) -> Confirm:
        return Confirm(prompt=event.tool_use["input"]["amount"], evaluate=lambda answer: "no" not in answer)


async def asking(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
    amount = context.tool_use["input"]["amount"]
    answer = context.interrupt("pay", reason=amount).response
    use: Any = {**context.tool_use, "input": {"amount": f"{amount} ({answer})"}}
    async for event in next_fn(context.replace(tool_use=use)):
        yield event


@tool(name="pay")
async def any_pay(amount: Any) -> str:
    """Pay."""
    return f"{amount} paid"


def with_middleware(agent: Agent) -> Agent:
    agent.add_middleware(ExecuteToolStage, asking)
    return agent


def sub_agent(make: AgentFactory, depth: int = 1, **more: Any) -> Any:
    """Return an agent as a tool. `depth` agents are nested in this way, and the innermost one's tool asks."""
    inner = paying(make) if depth == 1 else sub_agent(make, depth - 1, **more)
    return make(name=f"pay{depth}", tools=[inner]).as_tool(
        name="pay" if depth == DEPTHS else f"pay{depth}", **more
    )


DEPTHS = 2


def paying(make: AgentFactory) -> Any:
    return activity_as_tool(pay) if make.durable else plain_pay


def hosted(make: AgentFactory) -> Any:
    return TemporalTools("pay") if make.durable else plain_pay


SOURCES: dict[str, Callable[[AgentFactory], Agent]] = {
    "a hook": lambda make: make(tools=[any_pay], hooks=[AskingHook(BeforeToolCallEvent)]),
    "a workflow tool": lambda make: make(tools=[plain_pay]),
    "an activity tool": lambda make: make(tools=[paying(make)]),
    "a hosted tool": lambda make: make(tools=[hosted(make)]),
    "middleware": lambda make: with_middleware(make(tools=[any_pay])),
    "an intervention": lambda make: make(tools=[unasked_pay], interventions=[AskingHandler()]),
}


async def parity_of(
    client: Client,
    options: dict[str, Any],
    script: Callable[[], ScriptedModel],
    build: Callable[[AgentFactory], Agent],
    drive: Any,
    cache: Any = None,
) -> Parity:
    """Run both ways, and ignore the order of concurrent tools."""
    made: list[ScriptedModel] = []

    def remembered() -> ScriptedModel:
        made.append(script())
        return made[-1]

    plugin = StrandsPlugin(models={"scripted": lambda: made[-1]}, tools={"pay": lambda: plain_pay})
    more = {} if cache is None else {"max_cached_workflows": cache}
    scenario = Scenario(remembered, build, drive, [pay])
    parity = await run_parity(client, scenario, **{**options, "plugins": [plugin], **more})
    for seen in (parity.plain, parity.durable):
        seen.hook_events.sort(key=str)
        seen.tool_results.sort(key=str)
    return parity


@CACHES
@pytest.mark.parametrize("source", list(SOURCES))
async def test_several_at_once_are_answered_each(
    client: Client, worker_options: dict[str, Any], source: str, cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go")
        asked = sorted(first.interrupts or (), key=lambda interrupt: interrupt.reason)
        assert [[interrupt.name, interrupt.reason] for interrupt in asked] == [["pay", n] for n in (1, 2, 3)]
        assert len({interrupt.id for interrupt in asked}) == 3
        agent.state.set("ids", [interrupt.id for interrupt in asked])
        answers: Any = [answer_to(interrupt, f"yes {interrupt.reason}") for interrupt in reversed(asked)]
        result = await agent.invoke_async(answers)
        agent.messages.append({"role": "user", "content": [{"text": str(agent.state.get("ids"))}]})
        return result

    parity = await parity_of(client, worker_options, three_payments, SOURCES[source], drive, cache)
    parity.assert_equal()  # including the ids, which are in the last message
    text = parity.durable.text or ""
    if source != "an intervention":
        assert all(f"yes {n}" in text for n in (1, 2, 3))
    assert text.count("paid") == 3


@CACHES
@pytest.mark.parametrize("source", list(SOURCES))
async def test_some_are_answered_and_the_others_later(
    client: Client, worker_options: dict[str, Any], source: str, cache: Any
) -> None:
    """As plain Strands does, the agent asks again for the missing answers, and keeps those that it has."""

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        rounds: list[Any] = []
        for _ in range(4):
            waiting = sorted(result.interrupts or (), key=lambda interrupt: interrupt.reason)
            open_ones = [interrupt for interrupt in waiting if interrupt.response is None]
            rounds.append([[interrupt.reason, interrupt.response] for interrupt in waiting])
            if result.stop_reason != "interrupt" or not open_ones:
                break
            result = await agent.invoke_async([answer_to(open_ones[-1], f"yes {open_ones[-1].reason}")])
        agent.messages.append({"role": "user", "content": [{"text": str(rounds)}]})
        return result

    parity = await parity_of(client, worker_options, three_payments, SOURCES[source], drive, cache)
    parity.assert_equal()  # including the rounds
    assert parity.durable.stop_reason == "end_turn"
    assert (parity.durable.text or "").count("paid") == 3


@CACHES
async def test_before_all_tools_and_in_one(
    client: Client, worker_options: dict[str, Any], cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        reasons: list[Any] = []
        while result.stop_reason == "interrupt":
            asked = sorted(result.interrupts or (), key=lambda interrupt: str(interrupt.reason))
            reasons.append([interrupt.reason for interrupt in asked])
            answers: Any = [answer_to(interrupt, "yes") for interrupt in asked if interrupt.response is None]
            result = await agent.invoke_async(answers)
        assert reasons == [["all"], [1, 2, 3]]
        return result

    parity = await parity_of(
        client,
        worker_options,
        three_payments,
        lambda make: make(tools=[any_pay], hooks=[AskingHook(BeforeToolsEvent, BeforeToolCallEvent)]),
        drive,
        cache,
    )
    parity.assert_equal()
    assert (parity.durable.text or "").count("(yes) paid") == 3


# --- Sub-agents


def company(call: ScriptedCall) -> Reply:
    """Every agent passes its task to its tool, and repeats the result."""
    if len(call.messages) > 1:
        return say(f"[{call.text.strip()}]")
    (name,) = call.tool_names
    arguments = {"amount": 7} if "amount" in str(call.tool_specs) else {"input": "pay 7"}
    return use_tool(name, arguments, tool_use_id=f"{name}-{len(call.messages)}")


async def answered(agent: Agent) -> AgentResult:
    result = await agent.invoke_async("go")
    (asked,) = list(result.interrupts or ())
    assert [asked.name, asked.reason] == ["pay", 7]
    answers: Any = [answer_to(asked, "yes")]
    final = await agent.invoke_async(answers)
    agent.messages.append({"role": "user", "content": [{"text": asked.id}]})
    return final


@CACHES
@pytest.mark.parametrize("preserve", [True, False], ids=["with memory", "without"])
@pytest.mark.parametrize("depth", [1, 2])
async def test_the_answer_goes_to_the_sub_agent_that_asked(
    client: Client, worker_options: dict[str, Any], depth: int, preserve: bool, cache: Any
) -> None:
    parity = await parity_of(
        client,
        worker_options,
        lambda: ScriptedModel(company),
        lambda make: make(tools=[sub_agent(make, depth, preserve_context=preserve)]),
        answered,
        cache,
    )
    parity.assert_equal()
    assert "7 paid: yes" in (parity.durable.text or "")
    assert len(parity.durable.given) == 2 * (depth + 1)


async def test_two_sub_agents_ask_at_once(client: Client, worker_options: dict[str, Any]) -> None:
    def head(call: ScriptedCall) -> Reply:
        if len(call.messages) == 1 and len(call.tool_names) == 2:
            return use_tools([("left", {"input": "x"}, "l"), ("right", {"input": "x"}, "r")])
        return company(call)

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        asked = sorted(result.interrupts or (), key=lambda interrupt: interrupt.id)
        assert len(asked) == 2
        answers: Any = [answer_to(one, f"yes {n}") for n, one in enumerate(asked)]
        return await agent.invoke_async(answers)

    parity = await parity_of(
        client,
        worker_options,
        lambda: ScriptedModel(head),
        lambda make: make(
            tools=[make(name=name, tools=[paying(make)]).as_tool(name=name) for name in ("left", "right")]
        ),
        drive,
    )
    # No parity: in a plain agent, the second one's lock stays taken until the garbage collector runs.
    assert parity.durable.text == "[[7 paid: yes 0]\n\n[7 paid: yes 1]]\n"
