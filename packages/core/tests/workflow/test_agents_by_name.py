"""Agents by name: `StrandsPlugin(agents=...)`, `AgentWorkflow`, and clients that start conversations."""

import asyncio
import functools
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.unprocessed import without_processing
from packages.core.tests.workflow import main_agents, named_agents
from packages.core.tests.workflow.conversation_scenes import history_is_long, replay_all, until
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowFailureError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner

from strands_temporal import (
    AgentDefinition,
    AgentDescription,
    AgentTypeError,
    ClientTools,
    ConversationClient,
    ConversationStart,
    StrandsPlugin,
    TemporalAgent,
    TurnResult,
    UnknownAgentError,
)
from strands_temporal.testing import (
    AgentEnvironment,
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    say,
    use_tool,
)
from strands_temporal.workflow import AgentWorkflow

pytestmark = pytest.mark.server

AGENTS: dict[str, Any] = {
    "support": AgentDefinition(
        named_agents.make_support, description="Helps.", input_model=named_agents.Ticket, max_turns=50
    ),
    "sales": named_agents.Makers.make_sales,
    "reader": AgentDefinition(named_agents.make_reader, hand_over_when=history_is_long),
}


def reply(call: ScriptedCall) -> Reply:
    """Use the tool when asked to, and say with which system prompt."""
    if call.prompt == "imports" and not call.tool_results:
        return use_tool("imports", {}, tool_use_id=f"i{len(call.messages)}")
    if call.prompt == "read" and not call.tool_results:
        return use_tool("read_file", {"path": "notes"}, tool_use_id=f"f{len(call.messages)}")
    return say(f"{call.text} | {call.system_prompt}")


@asynccontextmanager
async def environment(agents: Agents, **options: Any) -> AsyncGenerator[AgentEnvironment]:
    """Run a worker that has agents by name, and nothing else."""
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(reply)}, agents=AGENTS)
    async with agents(workflows=[], plugins=[plugin], **options) as env:
        yield env


async def test_a_client_starts_an_agent_by_name_and_lists_what_there_is(agents: Agents) -> None:
    async with environment(agents) as env:
        listed = await ConversationClient.agents(env.client, env.task_queue)
        assert listed == [
            AgentDescription("reader", client_tools=["read_file"]),
            AgentDescription("sales"),
            AgentDescription("support", "Helps.", named_agents.Ticket.model_json_schema()),
        ]
        id_ = f"chat-{uuid.uuid4()}"
        start = functools.partial(
            ConversationClient.start, env.client, "support", id=id_, task_queue=env.task_queue
        )
        # One request starts the workflow and sends the message; the same request again joins it.
        chat = await start(arguments={"tone": "curt"}, first_message="imports", first_message_id="first")
        again = await start(first_message="imports", first_message_id="first")
        both = await asyncio.gather(chat.first_answer(), again.first_answer())
        # The sandbox has its own module: imported once, used once, and the host's has no use.
        assert [each.text for each in both] == ["2 | Be curt."] * 2
        assert named_agents.IMPORTS == ["once"]
        assert (await again.send({"title": "Tea"})).text == '{"title":"Tea"} | Be curt.'
        assert (await chat.state()).agent == "support"
        query = await chat.handle.query("agents", result_type=list[AgentDescription])
        assert [each.name for each in query] == ["reader", "sales", "support"]
        assert query[2] == listed[2]
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        await replay_all(env, id_)


@pytest.mark.parametrize(
    "why",
    [
        pytest.param({}, id="no worker looked"),
        pytest.param({"timeouts": True}, id="the server's time was over"),
        pytest.param({"fails": True}, id="the workflow task failed"),
    ],
)
async def test_a_request_without_an_answer_is_sent_again(agents: Agents, why: Any) -> None:
    async with environment(agents) as env:
        client, unanswered = without_processing(env.client, **why)
        id_ = f"chat-{uuid.uuid4()}"
        start: Any = {"id": id_, "task_queue": env.task_queue, "first_message": "Hello"}
        chat = await ConversationClient.start(client, "sales", first_message_id="m1", **start)
        assert unanswered.ids == ["m1"] * 2
        assert (await chat.send("Tea", id="m2")).text == "Tea | Sell."
        assert unanswered.ids == ["m1", "m1", "m2", "m2"]
        await chat.close()
        assert (await chat.handle.result())["turns"] == 2
        await replay_all(env, id_)


async def test_a_start_that_must_not_join_is_not_tried_again(agents: Agents) -> None:
    async with environment(agents) as env:
        client, refused = without_processing(env.client, timeouts=True)
        start: Any = {"id": f"chat-{uuid.uuid4()}", "task_queue": env.task_queue, "first_message": "Hello"}
        policy = WorkflowIDConflictPolicy.FAIL
        with pytest.raises(WorkflowUpdateRPCTimeoutOrCancelledError):
            await ConversationClient.start(client, "sales", id_conflict_policy=policy, **start)
        assert len(refused.ids) == 1
        await ConversationClient(env.client, start["id"]).close()


async def test_a_signal_starts_a_conversation_and_plain_temporal_calls_do(agents: Agents) -> None:
    async with environment(agents) as env:
        id_ = f"chat-{uuid.uuid4()}"
        handle = await env.client.start_workflow(
            AgentWorkflow.run,
            ConversationStart(agent="sales"),
            id=id_,
            task_queue=env.task_queue,
            start_signal="send",
            start_signal_args=[{"id": "s1", "message": "Hello"}],
        )
        answered = await handle.execute_update("send", "Hello", id="s1", result_type=TurnResult)
        assert (answered.turn, answered.text) == (1, "Hello | Sell.")
        operation = WithStartWorkflowOperation(
            AgentWorkflow.run,
            ConversationStart(agent="sales"),
            id=id_,
            task_queue=env.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        answered = await env.client.execute_update_with_start_workflow(
            "send", "Again", start_workflow_operation=operation, result_type=TurnResult
        )
        assert (answered.turn, answered.text) == (2, "Again | Sell.")
        await handle.execute_update("close")
        assert (await handle.result()).turns == 2
        await replay_all(env, id_)


@pytest.mark.slow
async def test_without_a_sandbox_the_maker_is_the_process_own(agents: Agents) -> None:
    async with environment(agents, workflow_runner=UnsandboxedWorkflowRunner()) as env:
        id_ = f"chat-{uuid.uuid4()}"
        chat = await ConversationClient.start(
            env.client, "sales", id=id_, task_queue=env.task_queue, first_message="Hello"
        )
        assert (await chat.first_answer()).text == "Hello | Sell."
        await chat.close()
        await chat.handle.result()


async def test_an_unknown_agent_ends_the_workflow_at_once_and_says_what_there_is(agents: Agents) -> None:
    async with environment(agents) as env:
        with pytest.raises(
            UnknownAgentError, match=r"'suport'. Did you mean 'support'\? Known: reader, sales, support"
        ):
            await ConversationClient.start(
                env.client, "suport", id=f"chat-{uuid.uuid4()}", task_queue=env.task_queue, first_message="Hi"
            )
        handle = await env.start(AgentWorkflow.run, ConversationStart())
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.type == "UnknownAgentError"
        with pytest.raises(AgentTypeError, match=r"make_support.*tone.*does not take.*\(pitch\)"):
            await ConversationClient.start(
                env.client,
                "support",
                id=f"chat-{uuid.uuid4()}",
                task_queue=env.task_queue,
                arguments={"pitch": "high"},
                first_message="Hi",
            )


def read(path: str) -> str:
    """Read a file where the client is."""
    return f"the {path}"


async def test_a_client_runs_the_agents_tool_in_the_conversations_next_run(agents: Agents) -> None:
    async with environment(agents) as env:
        id_ = f"chat-{uuid.uuid4()}"
        chat = await ConversationClient.start(
            env.client, "reader", id=id_, task_queue=env.task_queue, first_message="read"
        )
        first_run = (await chat.handle.describe()).run_id
        asked = asyncio.create_task(chat.first_answer())
        await until(lambda: _waits_for_a_client(chat))
        tools = ClientTools(env.client, id_, {"read_file": read})
        serving = asyncio.create_task(tools.serve())
        assert (await asyncio.wait_for(asked, 20)).text == "the notes | Read."
        assert (await chat.state()).run_id != first_run
        await chat.close()
        assert (await chat.handle.result())["turns"] == 1
        await asyncio.wait_for(serving, 20)
        await replay_all(env, id_)


async def _waits_for_a_client(chat: ConversationClient) -> bool:
    return (await chat.state()).status == "waiting_for_client"


@pytest.mark.slow
@pytest.mark.parametrize("cached", [1000, 0])
async def test_a_maker_in_the_script_itself(server: DevServer, cached: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(main_agents.__file__),
        server.address,
        str(cached),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().strip() == "made in __temporal_main__", err.decode()


def make_in_here() -> Any:
    """Return a function that no import finds."""

    def make_agent() -> TemporalAgent:
        return TemporalAgent("m")

    return make_agent


def test_a_maker_that_a_workflow_cannot_import_is_refused_when_the_plugin_is_built() -> None:
    for maker in (lambda: TemporalAgent("m"), make_in_here(), functools.partial(named_agents.make_support)):
        with pytest.raises(ValueError, match=r"no name by which a workflow could import.*top level"):
            StrandsPlugin(agents={"support": maker})
    wrong: Any
    for wrong, text in (
        ({"support": 3}, "not a function that makes an agent"),
        (["support"], "not a mapping"),
        ({3: named_agents.make_support}, "not a string"),
    ):
        with pytest.raises(TypeError, match=text):
            StrandsPlugin(agents=wrong)
    with pytest.raises(ValueError, match="a name is empty"):
        StrandsPlugin(agents={"": named_agents.make_support})
    unknown: Any = {"while_buzy": "queue"}
    with pytest.raises(TypeError, match=r"'while_buzy'. Did you mean 'while_busy'\?"):
        AgentDefinition(named_agents.make_support, **unknown)
    values: list[tuple[dict[str, Any], str]] = [
        ({"while_busy": "wait"}, "while_busy='wait' is unknown"),
        ({"idle_timeout": 3}, "not a timedelta"),
        ({"max_turns": 0}, "not positive"),
        ({"max_tokens": True}, "not a whole number"),
        ({"limits": {"turn": 1}}, "Did you mean 'turns'"),
        ({"input_model": 3}, "neither a pydantic model"),
        ({"input_model": {"type": "no such type"}}, "input_model= is not a valid JSON schema"),
        ({"input_model": {"$ref": "https://example.org/s"}}, "loads no schemas"),
        ({"hand_over_when": True}, "not a function"),
        ({"approvals": True}, "not a function"),
    ]
    for options, text in values:
        with pytest.raises((TypeError, ValueError), match=text):
            AgentDefinition(named_agents.make_support, **options)
