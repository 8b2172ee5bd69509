"""Interrupts from wherever Strands knows them, in a workflow as in a plain agent."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from conftest import Agents, at_rest
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeToolCallEvent, BeforeToolsEvent, HookProvider, HookRegistry
from strands.interventions import Confirm, InterventionHandler
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import ToolContext as ActivityToolContext
from strands_temporal.testing import (
    MakeAgent,
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
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server

CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])

# --- Where questions come from


@activity.defn
async def pay(amount: int, tool_context: ActivityToolContext) -> str:
    """Pay, if a person agrees."""
    return f"{amount} paid: {tool_context.interrupt('pay', reason=amount)}"


@tool(name="pay", context=True)
async def plain_pay(amount: int, tool_context: ToolContext) -> str:
    """Pay, if a person agrees."""
    return f"{amount} paid: {tool_context.interrupt('pay', reason=amount)}"


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
        # One name, several questions: an answer is its call's.
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


def sub_agent(make: MakeAgent, depth: int = 1, **more: Any) -> Any:
    """Return a tool that is an agent, whose tool is an agent, ... whose tool asks."""
    inner = paying(make) if depth == 1 else sub_agent(make, depth - 1, **more)
    return make(name=f"pay{depth}", tools=[inner]).as_tool(
        name="pay" if depth == DEPTHS else f"pay{depth}", **more
    )


DEPTHS = 2


def paying(make: MakeAgent) -> Any:
    return activity_as_tool(pay) if make.durable else plain_pay


def hosted(make: MakeAgent) -> Any:
    return TemporalTools("pay") if make.durable else plain_pay


SOURCES: dict[str, Callable[[MakeAgent], Agent]] = {
    "a hook": lambda make: make(tools=[any_pay], hooks=[AskingHook(BeforeToolCallEvent)]),
    "a workflow tool": lambda make: make(tools=[plain_pay]),
    "an activity tool": lambda make: make(tools=[paying(make)]),
    "a hosted tool": lambda make: make(tools=[hosted(make)]),
    "middleware": lambda make: with_middleware(make(tools=[any_pay])),
    "an intervention": lambda make: make(tools=[unasked_pay], interventions=[AskingHandler()]),
}


def paid(call: ScriptedCall) -> Reply:
    return say(f"read: {call.text}")


def three_payments() -> ScriptedModel:
    payments: Any = [("pay", {"amount": amount}, f"t{amount}") for amount in (1, 2, 3)]
    return ScriptedModel(use_tools(payments), paid)


async def parity_of(
    client: Client,
    options: dict[str, Any],
    script: Callable[[], ScriptedModel],
    build: Callable[[MakeAgent], Agent],
    drive: Any,
    cache: Any = None,
) -> Parity:
    """Run both ways; tools run at once, so which is first is chance."""
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


def answer_to(interrupt: Any, response: Any) -> Any:
    return {"interruptResponse": {"interruptId": interrupt.id, "response": response}}


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
    parity.assert_equal()  # the ids too, which the last message holds
    text = parity.durable.text or ""
    if source != "an intervention":
        assert all(f"yes {n}" in text for n in (1, 2, 3))
    assert text.count("paid") == 3


@CACHES
@pytest.mark.parametrize("source", list(SOURCES))
async def test_some_are_answered_and_the_others_later(
    client: Client, worker_options: dict[str, Any], source: str, cache: Any
) -> None:
    """What plain Strands does: it asks again for the others, and keeps the answers it has."""

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
    parity.assert_equal()  # the rounds too
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
    """Every agent passes its task on to the tool it has, and says what came back."""
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
    # No parity: in a plain agent the second one's lock is not free until the garbage collector comes.
    assert parity.durable.text == "[[7 paid: yes 0]\n\n[7 paid: yes 1]]\n"


# --- In a workflow: ids over a replay, answers before the question, answers to nothing


@workflow.defn
class PaymentsWorkflow:
    """The recipe of the docs: answers are kept by the interrupt's name, whenever they come."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.waiting: list[dict[str, Any]] = []
        self.agent = TemporalAgent("m", tools=[activity_as_tool(pay)], callback_handler=None)

    @workflow.run
    async def run(self) -> str:
        result = await self.agent.invoke_async("go")
        while result.stop_reason == "interrupt":
            asked = [interrupt for interrupt in result.interrupts or () if interrupt.response is None]
            self.waiting = [interrupt.to_dict() for interrupt in asked]
            await workflow.wait_condition(lambda asked=asked: any(self.key(i) in self.answers for i in asked))
            answers: Any = [
                answer_to(interrupt, self.answers.pop(self.key(interrupt)))
                for interrupt in asked
                if self.key(interrupt) in self.answers
            ]
            result = await self.agent.invoke_async(answers)
        return str(result).strip()

    def key(self, interrupt: Any) -> str:
        return f"{interrupt.name} {interrupt.reason}"

    @workflow.signal
    def answer(self, key: str, response: str) -> None:
        self.answers[key] = response

    @workflow.query
    def pending(self) -> list[dict[str, Any]]:
        return self.waiting


@CACHES
async def test_answers_sent_before_the_pause_are_kept(agents: Agents, cache: Any) -> None:
    asked = asyncio.Event()
    model = ScriptedModel(use_tool("pay", {"amount": 1}).when(asked.wait), paid)
    more = {} if cache is None else {"max_cached_workflows": cache}
    async with agents(
        workflows=[PaymentsWorkflow], activities=[pay], models={"m": lambda: model}, **more
    ) as env:
        handle = await env.start(PaymentsWorkflow.run)
        await handle.signal(PaymentsWorkflow.answer, args=["pay 1", "early"])
        asked.set()
        assert await handle.result() == "read: 1 paid: early"
        await env.assert_replays(handle)


@CACHES
async def test_ids_are_the_same_on_another_worker_which_goes_on(agents: Agents, cache: Any) -> None:
    options: dict[str, Any] = {
        "workflows": [PaymentsWorkflow],
        "activities": [pay],
        "task_queue": f"payments-{uuid.uuid4()}",
        **({} if cache is None else {"max_cached_workflows": cache}),
    }
    model = three_payments()
    async with agents(models={"m": lambda: model}, **options) as env:
        handle = await env.start(PaymentsWorkflow.run)
        await until_pending(handle, 3)
        await handle.signal(PaymentsWorkflow.answer, args=["pay 2", "first"])
        await until_pending(handle, 2)
        await at_rest(handle)
        before = await handle.query(PaymentsWorkflow.pending)
    async with agents(models={"m": lambda: model}, **options) as env:
        same = env.client.get_workflow_handle_for(PaymentsWorkflow.run, handle.id)
        assert await same.query(PaymentsWorkflow.pending) == before
        for amount in (1, 3):
            await same.signal(PaymentsWorkflow.answer, args=[f"pay {amount}", "then"])
        # In the order in which they got their results, as plain Strands has it.
        assert await same.result() == "read: 2 paid: first\n1 paid: then\n3 paid: then"
        await env.assert_replays(same)


async def until_pending(handle: Any, number: int) -> Any:
    async for _ in handle.fetch_history_events(wait_new_event=True):
        pending = await handle.query(PaymentsWorkflow.pending)
        if len(pending) == number:
            return pending
    raise AssertionError("the workflow ended first")


@workflow.defn
class WrongAnswerWorkflow:
    @workflow.run
    async def run(self, answer: Any) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(pay)], callback_handler=None)
        await agent.invoke_async("go")
        return str(await agent.invoke_async(answer))


WRONG: dict[str, Any] = {
    "unknown id": [{"interruptResponse": {"interruptId": "v1:nothing", "response": "yes"}}],
    "a text": "yes",
    "mixed": [{"text": "yes"}, {"interruptResponse": {"interruptId": "x", "response": "yes"}}],
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_a_wrong_answer_ends_the_run_with_the_error_of_a_plain_agent(agents: Agents, case: str) -> None:
    plain = Agent(three_payments(), tools=[plain_pay], callback_handler=None)
    await plain.invoke_async("go")
    with pytest.raises((KeyError, TypeError)) as error:
        await plain.invoke_async(WRONG[case])
    async with agents(workflows=[WrongAnswerWorkflow], activities=[pay], models={"m": three_payments}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(WrongAnswerWorkflow.run, WRONG[case])
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == (type(error.value).__name__, str(error.value))
