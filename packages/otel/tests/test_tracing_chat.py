"""A chat's trace: updates, queries and signals that call the agent, over several runs."""

import uuid
from typing import Any

import pytest
from packages.otel.tests.otlp_receiver import Receiver
from packages.otel.tests.traced_workflows import ChatWorkflow
from packages.otel.tests.tracing_support import echo, plugins
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowHandle
from temporalio.worker import Worker

from strands_temporal.testing import assert_replays

pytestmark = pytest.mark.server


async def chat(handle: "WorkflowHandle[Any, Any]") -> None:
    """Ask twice, query in between, and end the run."""
    assert await handle.execute_update(ChatWorkflow.turn, "one") == "one"
    assert await handle.query(ChatWorkflow.said) == 2
    assert await handle.execute_update(ChatWorkflow.turn, "two") == "two"
    assert await handle.query(ChatWorkflow.said) == 4
    await handle.signal(ChatWorkflow.end)


CALLS_THE_AGENT = """    invoke_agent Strands Agents
      execute_event_loop_cycle
        chat
          StartActivity:invoke_model
            RunActivity:invoke_model
              chat scripted
"""
TURN = f"""StartWorkflowUpdate:turn
  HandleUpdate:turn
{CALLS_THE_AGENT}QueryWorkflow:said
  HandleQuery:said
"""
CHAT = f"""{TURN}{TURN}SignalWorkflow:end
  HandleSignal:end
{CALLS_THE_AGENT}"""
TREE = f"""StartWorkflow:ChatWorkflow
  RunWorkflow:ChatWorkflow
    RunWorkflow:ChatWorkflow
{CHAT}{CHAT}"""


@pytest.mark.parametrize("cached", [1000, 0], ids=["cached", "uncached"])
async def test_each_call_of_a_chat_has_its_spans_once_over_several_runs(
    client: Client, receiver: Receiver, worker_options: dict[str, Any], cached: int
) -> None:
    stacked = plugins(echo)
    connected = Client(client.service_client, plugins=stacked)
    queue = f"otel-{uuid.uuid4()}"
    options: dict[str, Any] = {**worker_options, "max_cached_workflows": cached}
    async with Worker(connected, task_queue=queue, workflows=[ChatWorkflow], **options):
        first = await connected.start_workflow(ChatWorkflow.run, 2, id=queue, task_queue=queue)
        await chat(first)
        with pytest.raises(WorkflowContinuedAsNewError) as continued:
            await first.result(follow_runs=False)
        second = connected.get_workflow_handle(queue, run_id=continued.value.new_execution_run_id)
        await chat(second)
        await second.result()
    assert receiver.tree() == TREE.splitlines()
    assert receiver.twice() == []
    assert receiver.counts()["gen_ai.client.operation.duration"] == 6
    assert receiver.counts()["strands.event_loop.cycle_count"] == 6

    receiver.clear()
    for run_id in (first.first_execution_run_id, second.run_id):
        run = connected.get_workflow_handle(queue, run_id=run_id)
        await assert_replays(run, [ChatWorkflow], plugins=stacked)
    assert receiver.spans == []
