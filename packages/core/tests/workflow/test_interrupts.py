"""The guide's three interrupts, and activity tools that ask through their context."""

import uuid
from dataclasses import replace
from typing import Any, cast

import pytest
from conftest import Agents
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.interrupt import Interrupt, InterruptException
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import AgentTypeError, StrandsPlugin, TemporalAgent
from strands_temporal import activity as tool_activity
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


def answers(result: AgentResult, response: Any) -> Any:
    """Return what resumes the agent: `response` to each of its interrupts."""
    return [
        {"interruptResponse": {"interruptId": interrupt.id, "response": response}}
        for interrupt in result.interrupts or ()
    ]


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


async def asked_and_answered(agent: Agent) -> AgentResult:
    """Drive a pausing agent to its end, with the answer "yes" each time, at most three times."""
    result = await agent.invoke_async("go")
    for _ in range(3):
        if result.stop_reason != "interrupt":
            break
        result = await agent.invoke_async(answers(result, "yes"))
    return result


# --- Activity tools that ask


@activity.defn
async def delete_file(path: str, tool_context: tool_activity.ToolContext) -> str:
    """Delete a file, if a person agrees."""
    approval = tool_context.interrupt("approval", reason={"delete": path})
    user = tool_context.invocation_state.get("user")
    return f"{tool_context.tool_use['name']} of {path} by {user}: {approval}"


@tool(name="delete_file", context=True)
async def plain_delete_file(path: str, tool_context: ToolContext) -> str:
    """Delete a file, if a person agrees."""
    approval = tool_context.interrupt("approval", reason={"delete": path})
    user = tool_context.invocation_state.get("user")
    return f"{tool_context.tool_use['name']} of {path} by {user}: {approval}"


@activity.defn
async def two_questions() -> str:
    """Ask two questions, deep inside."""
    return await deep_inside()


async def deep_inside() -> str:
    context = tool_activity.tool_context()
    return f"{context.interrupt('first')} and {context.interrupt('second', 'why?')}"


def delete_tool(make: AgentFactory) -> Any:
    return activity_as_tool(delete_file) if make.durable else plain_delete_file


async def test_an_activity_tool_pauses_and_gets_its_answer_as_a_plain_tool_does(
    client: Client, worker_options: dict[str, Any]
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go", invocation_state={"user": "eve"})
        asked = sorted(interrupt.reason["delete"] for interrupt in first.interrupts or ())
        assert asked == ["a", "b"]
        return await agent.invoke_async(answers(first, {"agreed": True}), invocation_state={"user": "eve"})

    scenario = Scenario(
        script=lambda: ScriptedModel(
            use_tools([("delete_file", {"path": "a"}, "t1"), ("delete_file", {"path": "b"}, "t2")]), echo
        ),
        build=lambda make: make(tools=[delete_tool(make)]),
        drive=drive,
        activities=[delete_file],
    )
    parity = await run_parity(client, scenario, **worker_options)
    for seen in (parity.plain, parity.durable):  # two parallel tools, in any order
        seen.hook_events.sort(key=str)
        seen.tool_results.sort(key=str)
    parity.assert_equal()
    text = parity.durable.text or ""
    assert "delete_file of a by eve: {'agreed': True}" in text
    assert "delete_file of b by eve: {'agreed': True}" in text
    (spec,) = parity.durable.given[0]["tools"]
    assert spec == "delete_file"


@workflow.defn
class DeleteWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        agent = TemporalAgent("m", tools=[activity_as_tool(delete_file)], callback_handler=None)
        result = await agent.invoke_async("go")
        asked = [interrupt.to_dict() for interrupt in result.interrupts or ()]
        final = await agent.invoke_async(answers(result, "yes"))
        return [asked, str(final).strip()]


async def test_its_interrupts_have_strands_ids_and_the_model_does_not_see_the_context(agents: Agents) -> None:
    model = ScriptedModel(use_tool("delete_file", {"path": "a"}, tool_use_id="t1"), echo)
    async with agents(
        workflows=[DeleteWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        asked, final = await env.run(DeleteWorkflow.run)
    name = uuid.uuid5(uuid.NAMESPACE_OID, "approval")
    assert asked == [
        {"id": f"v1:tool_call:t1:{name}", "name": "approval", "reason": {"delete": "a"}, "response": None}
    ]
    assert final == "it said: delete_file of a by None: yes"
    schema = cast("dict[str, Any]", model.calls[0].tool_specs[0]["inputSchema"]["json"])
    assert schema["properties"].keys() == {"path"}


@workflow.defn
class TwoQuestionsWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(delete_file), two_questions_tool()])
        return str(await asked_and_answered(agent)).strip()


def two_questions_tool() -> Any:
    return activity_as_tool(asks_twice)


@activity.defn
async def asks_twice(tool_context: tool_activity.ToolContext) -> str:
    """Ask two questions, one after the other."""
    return await deep_inside()


async def test_two_questions_one_after_the_other_through_tool_context(agents: Agents) -> None:
    model = ScriptedModel(use_tool("asks_twice", {}), echo)
    async with agents(
        workflows=[TwoQuestionsWorkflow], activities=[asks_twice, delete_file], models={"m": lambda: model}
    ) as env:
        assert await env.run(TwoQuestionsWorkflow.run) == "it said: yes and yes"
        history = await env.handles[0].fetch_history()
    started = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED]
    assert (
        len(started) == 2 + 3
    )  # two model calls; the tool ran once for each question, and once with both answers
    assert len(model.calls) == 2


@workflow.defn
class NoContextWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(two_questions)])
        return str(await agent.invoke_async("go")).strip()


async def test_tool_context_without_the_parameter_says_what_to_write(agents: Agents) -> None:
    model = ScriptedModel(use_tool("two_questions", {}), echo)
    async with agents(
        workflows=[NoContextWorkflow], activities=[two_questions], models={"m": lambda: model}
    ) as env:
        result = await env.run(NoContextWorkflow.run)
    assert "There is no tool context here" in result
    assert "tool_context: ToolContext" in result


@activity.defn
async def wrong_context(tool_context: ToolContext) -> str:  # Strands' own class, which cannot be sent
    """Never runs."""
    return ""


def test_strands_own_context_class_is_refused_with_the_one_to_use() -> None:
    with pytest.raises(AgentTypeError, match=r"strands_temporal\.activity\.ToolContext"):
        activity_as_tool(wrong_context)


# --- The guide's form: the activity remembers that it asked

approved: set[str] = set()


@activity.defn
async def delete_thing(name: str) -> str:
    """Delete a thing."""
    if name not in approved:
        approved.add(name)
        raise InterruptException(Interrupt(id=f"delete:{name}", name="approval", reason=f"delete {name}?"))
    return f"deleted {name}"


@workflow.defn
class ActivityInterruptWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("m", tools=[activity_as_tool(delete_thing)])

    @workflow.run
    async def run(self) -> list[str]:
        result = await self.agent.invoke_async("go")
        ids = [interrupt.id for interrupt in result.interrupts or ()]
        final = await self.agent.invoke_async(answers(result, "approve"))
        return [*ids, str(final).strip()]


async def test_an_activity_that_remembers_what_it_asked_runs_through_the_second_time(agents: Agents) -> None:
    approved.clear()
    model = ScriptedModel(use_tool("delete_thing", {"name": "db"}), echo)
    async with agents(
        workflows=[ActivityInterruptWorkflow], activities=[delete_thing], models={"m": lambda: model}
    ) as env:
        assert await env.run(ActivityInterruptWorkflow.run) == ["delete:db", "it said: deleted db"]


# --- Hooks and interventions


class ApprovalHook(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(BeforeToolCallEvent, self._gate)

    def _gate(self, event: BeforeToolCallEvent[Any]) -> None:
        approval = event.interrupt("approval", reason=f"approve {event.tool_use['input']}?")
        if approval != "yes":
            event.cancel_tool = "denied"


@tool
def delete_local(path: str) -> str:
    """Delete."""
    return f"deleted {path}"


@pytest.mark.parametrize("response", ["yes", "no"])
async def test_a_hook_that_asks(client: Client, response: str, worker_options: dict[str, Any]) -> None:
    async def drive(agent: Agent) -> AgentResult:
        return await agent.invoke_async(answers(await agent.invoke_async("go"), response))

    scenario = Scenario(
        script=lambda: ScriptedModel(use_tool("delete_local", {"path": "x"}), echo),
        build=lambda make: make(tools=[delete_local], hooks=[ApprovalHook()]),
        drive=drive,
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert parity.durable.text == ("it said: deleted x\n" if response == "yes" else "it said: denied\n")


@pytest.mark.parametrize("response", ["y", "n"])
async def test_strands_human_in_the_loop_unchanged(
    client: Client, response: str, worker_options: dict[str, Any]
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go")
        assert first.stop_reason == "interrupt"
        return await agent.invoke_async(answers(first, response))

    scenario = Scenario(
        script=lambda: ScriptedModel(use_tool("delete_local", {"path": "x"}), echo),
        build=lambda make: make(tools=[delete_local], interventions=[HumanInTheLoop()]),
        drive=drive,
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert ("deleted x" in (parity.durable.text or "")) == (response == "y")


# --- The failure converter


@workflow.defn
class EscapingInterruptWorkflow:
    @workflow.run
    async def run(self) -> None:
        raise InterruptException(Interrupt(id="i", name="n", reason={"why": 1}))


async def test_an_interrupt_that_leaves_a_workflow_keeps_its_payload(agents: Agents) -> None:
    async with agents(workflows=[EscapingInterruptWorkflow], models={"m": ScriptedModel}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(EscapingInterruptWorkflow.run)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InterruptException"
    assert cause.non_retryable
    assert cause.details[0] == {"id": "i", "name": "n", "reason": {"why": 1}}


async def test_encrypted_attributes_stay_encrypted_and_interrupts_still_work(
    client: Client, worker_options: dict[str, Any]
) -> None:
    approved.clear()
    model = ScriptedModel(use_tool("delete_thing", {"name": "db"}), echo)
    converter = replace(
        DataConverter.default, failure_converter_class=DefaultFailureConverterWithEncodedAttributes
    )
    plugins = [StrandsPlugin(models={"m": lambda: model})]
    encoded = Client(client.service_client, data_converter=converter, plugins=plugins)
    queue = f"encoded-{uuid.uuid4()}"
    workflows = [ActivityInterruptWorkflow]
    async with Worker(
        encoded, task_queue=queue, workflows=workflows, activities=[delete_thing], **worker_options
    ):
        handle = await encoded.start_workflow(ActivityInterruptWorkflow.run, id=queue, task_queue=queue)
        assert await handle.result() == ["delete:db", "it said: deleted db"]
    history = await handle.fetch_history()
    (failed,) = (e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    failure = failed.activity_task_failed_event_attributes.failure
    assert failure.message == "Encoded failure"
    assert failure.application_failure_info.type == "InterruptException"
