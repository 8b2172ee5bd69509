"""Two calls with one id in an answer stay two calls: in results, interrupts, answers, the model's input."""

from typing import Any

import pytest
from conftest import Agents
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow
from temporalio.client import Client

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext as ActivityToolContext
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
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@activity.defn
async def pay(amount: int, to: str) -> str:
    """Pay somebody."""
    return f"paid {amount} to {to}"


class AskEach(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.ask)

    def ask(self, event: BeforeToolCallEvent) -> None:
        amount = event.tool_use["input"]["amount"]
        if event.interrupt("approval", reason=f"pay {amount}?") != "yes":
            event.cancel_tool = f"{amount} was not approved"


@workflow.defn
class CollidingWorkflow:
    @workflow.run
    async def run(self, answers: dict[str, str]) -> list[Any]:
        agent = TemporalAgent("m", tools=[activity_as_tool(pay)], hooks=[AskEach()], callback_handler=None)
        result = await agent.invoke_async("go")
        asked = list(result.interrupts or ())
        responses: Any = [
            {"interruptResponse": {"interruptId": each.id, "response": answers[each.reason]}}
            for each in asked
        ]
        result = await agent.invoke_async(responses)
        return [sorted(each.reason for each in asked), len({each.id for each in asked}), str(result).strip()]


def read_pairs(call: ScriptedCall) -> Reply:
    """Answer with the results in the order of the calls, matched by id as a provider does."""
    *_, asked, answered = call.messages
    uses = [block["toolUse"] for block in asked["content"] if "toolUse" in block]
    results = [block["toolResult"] for block in answered["content"] if "toolResult" in block]
    by_id = {result["toolUseId"]: result["content"][0].get("text") for result in results}
    assert len(by_id) == len(results) == len(uses)
    return say("; ".join(f"{use['input']['to']}: {by_id[use['toolUseId']]}" for use in uses))


async def test_each_of_two_calls_of_one_id_is_asked_about_and_answered(agents: Agents) -> None:
    calls = [("pay", {"amount": 5, "to": "bob"}, "call_0"), ("pay", {"amount": 5000, "to": "eve"}, "call_0")]
    model = ScriptedModel(use_tools(calls), read_pairs)
    async with agents(workflows=[CollidingWorkflow], activities=[pay], models={"m": lambda: model}) as env:
        answers = {"pay 5?": "yes", "pay 5000?": "no"}
        reasons, different, said = await env.run(CollidingWorkflow.run, answers)
    assert (reasons, different) == (["pay 5000?", "pay 5?"], 2)
    assert said == "bob: paid 5 to bob; eve: 5000 was not approved"


# --- Answers reach the call that asked


@activity.defn
async def refund(amount: int, tool_context: ActivityToolContext) -> str:
    """Refund, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('agree', reason=amount)}"


@tool(name="refund", context=True)
async def plain_refund(amount: int, tool_context: ToolContext) -> str:
    """Refund, if a person agrees."""
    return f"{amount}: {tool_context.interrupt('agree', reason=amount)}"


def refunding(make: AgentFactory) -> Any:
    return activity_as_tool(refund) if make.durable else plain_refund


async def parity_of(client: Client, options: dict[str, Any], script: Any, build: Any, drive: Any) -> Any:
    parity = await run_parity(client, Scenario(script, build, drive, [refund]), **options)
    for seen in (parity.plain, parity.durable):
        seen.hook_events.sort(key=str)
        seen.tool_results.sort(key=str)
    parity.assert_equal()
    return parity


def clerks(call: ScriptedCall) -> Reply:
    """Refund through a clerk and directly. The clerk's call has the same id as the direct one."""
    if len(call.messages) > 1:
        return say(f"[{call.text.strip()}]")
    if call.tool_names == ["refund"]:
        return use_tool("refund", {"amount": 5}, tool_use_id="call_1")
    return use_tools([("clerk", {"input": "go"}, "call_0"), ("refund", {"amount": 9000}, "call_1")])


async def answer_in_turn(agent: Agent) -> AgentResult:
    """Answer yes to the small refund and, when asked again, no to the other."""
    result = await agent.invoke_async("go")
    rounds: list[Any] = []
    for answer in ("yes", "no"):
        waiting = [one for one in result.interrupts or () if one.response is None]
        rounds.append(sorted(one.reason for one in waiting))
        first = min(waiting, key=lambda one: one.reason)
        responses: Any = [{"interruptResponse": {"interruptId": first.id, "response": answer}}]
        result = await agent.invoke_async(responses)
    agent.messages.append({"role": "user", "content": [{"text": str(rounds)}]})
    return result


async def test_a_yes_to_a_sub_agents_call_is_none_to_ones_own_of_the_same_id(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def build(make: AgentFactory) -> Agent:
        return make(
            tools=[make(name="clerk", tools=[refunding(make)]).as_tool(name="clerk"), refunding(make)]
        )

    parity = await parity_of(client, worker_options, lambda: ScriptedModel(clerks), build, answer_in_turn)
    assert parity.durable.messages[-1]["content"] == [{"text": "[[5, 9000], [9000]]"}]
    assert "9000: no" in (parity.durable.text or "")
    assert "5: yes" in (parity.durable.text or "")


class AgreeingHook(HookProvider):
    """Asks before each call, under the same name as the tool itself."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.ask)

    def ask(self, event: BeforeToolCallEvent) -> None:
        event.interrupt("agree", reason=0)


async def test_a_yes_to_a_hook_is_none_to_the_tool(client: Client, worker_options: dict[str, Any]) -> None:
    def script() -> ScriptedModel:
        return ScriptedModel(use_tool("refund", {"amount": 7}), lambda call: say(call.text))

    def build(make: AgentFactory) -> Agent:
        return make(tools=[refunding(make)], hooks=[AgreeingHook()])

    parity = await parity_of(client, worker_options, script, build, answer_in_turn)
    assert parity.durable.text == "7: no\n"
