"""What else runs a tool: background tasks, code, nodes, clients, structured output, chats."""

from typing import Any

import pytest
from conftest import at_rest
from packages.hitl.tests.approvals_support import BY, until
from packages.hitl.tests.policy_support import outcomes, policy, ran, refund
from pydantic import BaseModel
from strands import ToolContext, tool
from strands.multiagent import GraphBuilder
from temporalio import workflow

from strands_temporal import ConversationClient, ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import Conversation, activity_as_tool, client_tool
from strands_temporal_hitl import ApprovalPolicy, ApprovalRefusedError, Approvals, ApprovalsCarry

pytestmark = pytest.mark.server


class Answer(BaseModel):
    """The answer's form."""

    text: str


@tool(context=True)
async def batch(amounts: list[int], tool_context: ToolContext) -> str:
    """Refund several amounts."""
    said: list[str] = []
    for amount in amounts:
        agent: Any = tool_context.agent
        try:
            result = await agent.tool_async.refund(amount=amount, record_direct_tool_call=False)
            said.append(result["content"][0]["text"])
        except RuntimeError as error:
            said.append(str(error))
    return " / ".join(said)


@client_tool
def read_file(path: str) -> str:
    """Read a file on the user's machine."""
    raise NotImplementedError


def clerk(name: str = "clerk", **options: Any) -> TemporalAgent:
    tools = [activity_as_tool(refund), batch, read_file]
    return TemporalAgent("model", name=name, tools=tools, callback_handler=None, **options)


@workflow.defn
class AroundWorkflow:
    """One turn; its way says what runs the tools."""

    def __init__(self) -> None:
        self.approvals = Approvals(policy=ApprovalPolicy.from_json(policy(safe=["batch"])))

    @workflow.run
    async def run(self, way: str) -> dict[str, Any]:
        if way == "graph":
            graph = GraphBuilder().set_max_node_executions(4)
            for name in ("one", "two"):
                graph.add_node(clerk(name), name)
            done = await self.approvals.run(graph.build(), "go")
            text = " / ".join(str(node.result).strip() for node in done.results.values())
        elif way == "structured":
            result = await self.approvals.run(clerk(), "go", structured_output_model=Answer)
            text = str(result.structured_output)
        else:
            background: Any = {"always": ["refund"]} if way == "background" else None
            result = await self.approvals.run(clerk(background_tasks=background), "go")
            text = str(result).strip()
        return {"text": text, "records": self.approvals.records}


def results(call: ScriptedCall) -> Any:
    texts = [
        t.get("text", "")
        for b in call.messages[-1]["content"]
        for t in b.get("toolResult", {}).get("content", [])
    ]
    return say(" / ".join(texts) or call.text)


def refunding(*amounts: int) -> ScriptedModel:
    def script(call: ScriptedCall) -> Any:
        if len(call.messages) == 1:
            return use_tools([("refund", {"amount": n}, f"call-{n}") for n in amounts])
        return results(call)

    return ScriptedModel(script)


OPTIONS: dict[str, Any] = {"workflows": [AroundWorkflow], "activities": [refund]}


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def test_background_tasks_are_judged(setting: Any) -> None:
    async with setting(refunding(5, 200, 9000), **OPTIONS) as s:
        handle, notice = await s.pause("background", workflow_class=AroundWorkflow)
        (pending,) = notice.pending
        assert (pending.tool, pending.arguments) == ("refund", {"amount": 200})
        with pytest.raises(ApprovalRefusedError, match="An edit is for a call") as refused:
            await s.approver.edit(handle.id, pending, {"amount": 100}, by=BY)
        assert refused.value.kind == "NotAllowed", "hooks have seen the call, and would not see an edit"
        await s.approver.approve(handle.id, pending, by=BY)
        ended = await s.end(handle)
    assert sorted(ran) == [(5, "bob"), (200, "bob")]
    assert sorted(each[:2] for each in outcomes(ended["records"])) == [
        ("approved", "people"),
        ("approved", "rules"),
        ("denied", "deny"),
    ]


@pytest.mark.slow
async def test_calls_by_code_run_or_are_denied_and_nobody_can_be_asked(setting: Any) -> None:
    model = ScriptedModel(use_tool("batch", {"amounts": [5, 9000, 200]}), results)
    async with setting(model, **OPTIONS) as s:
        handle = await s.env.start(AroundWorkflow.run, "code")
        ended = await s.end(handle)
    assert ran == [(5, "bob")]
    assert ended["text"] == (
        "refunded 5 to bob / Denied by policy: above 5000 / cannot raise interrupt in direct tool call"
    )


@pytest.mark.slow
async def test_each_node_of_a_graph_is_judged(setting: Any) -> None:
    async with setting(refunding(5, 9000), **OPTIONS) as s:
        handle = await s.env.start(AroundWorkflow.run, "graph")
        ended = await s.end(handle)
    assert ran == [(5, "bob"), (5, "bob")]
    assert sorted(r["agent"] for r in ended["records"]) == ["one", "one", "two", "two"]


@pytest.mark.slow
async def test_the_tool_of_structured_output_is_not_judged(setting: Any) -> None:
    model = ScriptedModel(use_tool("Answer", {"text": "yes"}), results)
    async with setting(model, **OPTIONS) as s:
        handle = await s.env.start(AroundWorkflow.run, "structured")
        assert await s.end(handle) == {"text": "text='yes'", "records": []}


@pytest.mark.slow
async def test_people_are_asked_before_a_client_runs_a_call(setting: Any) -> None:
    async with setting(ScriptedModel(use_tool("read_file", {"path": "/x"}), results), **OPTIONS) as s:
        handle, notice = await s.pause("client", workflow_class=AroundWorkflow)
        await at_rest(handle)
        assert await handle.query("client_tool_calls") == []
        await s.approver.edit(handle.id, notice.pending[0], {"path": "/y"}, by=BY)

        async def calls() -> Any:
            await at_rest(handle)
            return await handle.query("client_tool_calls")

        (call,) = await until(calls, bool)
        assert call["arguments"] == {"path": "/y"}
        await handle.terminate()


# --- A chat


def with_a_policy(carry: ApprovalsCarry | None) -> Approvals:
    return Approvals(policy=ApprovalPolicy.from_json(policy()), carry=carry)


@workflow.defn
class PolicyChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(
            start,
            clerk,
            approvals=with_a_policy,
            hand_over_when=lambda: workflow.info().get_current_history_length() > 30,
        )

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


@pytest.mark.slow
async def test_a_chat_keeps_its_trust_and_its_records_over_runs(setting: Any) -> None:
    def script(call: ScriptedCall) -> Any:
        if call.tool_results:
            return results(call)
        return use_tool("refund", {"amount": int(call.prompt)}, tool_use_id=f"c{len(call.messages)}")

    async with setting(ScriptedModel(script), workflows=[PolicyChat], activities=[refund]) as s:
        handle = await s.env.start(PolicyChat.run, ConversationStart())
        chat = ConversationClient(s.env.client, handle.id)
        assert (await chat.send("5")).text == "refunded 5 to bob"
        await s.approver.trust(handle.id, "refund", by="ana")
        texts = [(await chat.send(amount)).text for amount in ("200", "9000", "300", "400", "500")]
        await chat.close()
        await s.end(handle)
        assert texts[:2] == ["refunded 200 to bob", "Denied by policy: above 5000"]
        assert (await chat.handle.describe()).run_id != handle.first_execution_run_id
        records = await s.approver.records(handle.id)
    assert [r.outcome for r in records] == ["approved", "trusted", "approved", "denied", *["approved"] * 3]
