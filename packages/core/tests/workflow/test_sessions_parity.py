"""What a session on a `TemporalStorage` stores is what it stores without Temporal, at the same moments."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from packages.core.tests.workflow.session_scenes import SaveOn, SessionWorkflow, count
from packages.core.tests.workflow.storage_scenes import CountingStorage, FailingStorage
from packages.core.tests.workflow.test_agent_life import redacted
from strands import Agent, tool
from strands.agent import AgentResult
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.session import SnapshotSessionManager
from strands.types.exceptions import ContextWindowOverflowException
from temporalio.client import Client

from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    fail,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import TemporalStorage

pytestmark = pytest.mark.server

LATEST = "session/s/scopes/agent/a/snapshots/snapshot_latest.json"
OF_ONE_RUN = {"created_at", "tracking_id", "metadata", "latencyMs"}


@tool
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


def too_long(call: ScriptedCall) -> Reply:
    """Refuse more than four messages."""
    if len(call.messages) > 4:
        return fail(ContextWindowOverflowException("too long"))
    return count(call)


def scripted(kind: str) -> Callable[[], ScriptedModel]:
    if kind == "redacted":
        return lambda: ScriptedModel(say("one"), redacted(), say("three"))
    if kind == "cut":
        return lambda: ScriptedModel(too_long)
    return lambda: ScriptedModel(use_tool("shout", {"text": "a"}), say("one"), say("two"), say("three"))


def always(*, agent_data: Any, **kwargs: Any) -> bool:
    return True


def bare(value: Any) -> Any:
    """Return a stored snapshot without what differs from run to run."""
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if key not in OF_ONE_RUN}
    return [bare(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("save_on", "kind"),
    [
        ("message", "tools"),
        ("message", "redacted"),
        ("invocation", "tools"),
        ("invocation", "cut"),
        ("trigger", "redacted"),
        ("trigger", "cut"),
    ],
)
async def test_a_session_is_stored_as_locally(
    client: Client, worker_options: dict[str, Any], save_on: SaveOn, kind: str
) -> None:
    plain, durable = CountingStorage(), CountingStorage()

    def build(make: AgentFactory) -> Agent:
        manager = SnapshotSessionManager(
            "s",
            storage=TemporalStorage("sessions") if make.durable else plain,
            save_latest_on=save_on,
            snapshot_trigger=always if kind == "tools" else None,
        )
        return make(
            agent_id="a",
            tools=[shout],
            session_manager=manager,
            conversation_manager=SlidingWindowConversationManager(window_size=5),
        )

    async def drive(agent: Agent) -> AgentResult:
        for prompt in ("a", "b"):
            await agent.invoke_async(prompt)
        return await agent.invoke_async("c")

    scenario = Scenario(scripted(kind), build, drive, storages={"sessions": lambda: durable})
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    kept = [json.loads(await storage.read(LATEST) or b"null") for storage in (plain, durable)]
    assert bare(kept[0]) == bare(kept[1])
    operations = [
        [" ".join(part if "history" not in part else "history" for part in o.split()) for o in s.operations]
        for s in (plain, durable)
    ]
    assert operations[0] == operations[1]


async def test_a_session_that_cannot_be_read_ends_the_run(agents: Agents) -> None:
    storage = FailingStorage(99, PermissionError("not yours"))
    async with agents(
        workflows=[SessionWorkflow],
        models={"m": lambda: ScriptedModel(count)},
        storages={"sessions": lambda: storage},
    ) as env:
        for kind in ("durable", "plain"):
            failure = await failure_of(env, SessionWorkflow.run, kind, "one")
            assert failure.type == "StorageError"
            assert str(failure) == f"StorageError: Failed to read '{LATEST}'"
