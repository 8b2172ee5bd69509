"""Snapshots: Strands' own use always works, users' use only if the agent allows it."""

import uuid
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

import pytest
from conftest import Agents, at_rest
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.session import RepositorySessionManager, SessionRepository, SnapshotSessionManager
from strands.storage import InMemoryStorage
from strands.types.session import Session, SessionAgent, SessionMessage
from strands.vended_plugins.goal import GoalLoop
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError, SnapshotsDisabledError, TemporalAgent
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
)

CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])


def count(call: ScriptedCall) -> Reply:
    """Answer how many messages there are."""
    return say(f"{len(call.messages)} messages, the last {call.text!r}")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 cannot parse the Z


def always(*, agent_data: Any, **kwargs: Any) -> bool:
    return True


def with_cache(options: dict[str, Any], cache: int | None) -> dict[str, Any]:
    return options if cache is None else {**options, "max_cached_workflows": cache}


# --- The policy


@pytest.mark.parametrize("method", ["take_snapshot", "load_snapshot"])
@pytest.mark.parametrize("given", [{}, {"allow_snapshots": False}, {"snapshots": "refuse"}])
def test_users_are_refused_with_the_ways_to_go(method: str, given: Any) -> None:
    agent: Any = TemporalAgent("m", **given)
    with pytest.raises(SnapshotsDisabledError, match=r"carry.*snapshots='allow'") as refused:
        agent.take_snapshot(preset="session") if method == "take_snapshot" else agent.load_snapshot(None)
    assert isinstance(refused.value, NotImplementedError)


@pytest.mark.parametrize(
    ("policy", "error"), [("always", AgentValueError), (True, AgentTypeError), (None, AgentTypeError)]
)
def test_another_policy_is_refused(policy: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"snapshots={policy!r}.*'refuse'.*'allow'"):
        TemporalAgent("m", snapshots=policy)


@pytest.mark.parametrize("allow", ["allow", None, 1])
def test_what_is_no_bool_is_refused(allow: Any) -> None:
    with pytest.raises(AgentTypeError, match=rf"allow_snapshots={allow!r} is not a bool"):
        TemporalAgent("m", allow_snapshots=allow)


def test_both_spellings_at_once_are_refused() -> None:
    with pytest.raises(AgentValueError, match="allow_snapshots=True and snapshots='refuse'"):
        TemporalAgent("m", allow_snapshots=True, snapshots="refuse")


@workflow.defn
class BadPolicyWorkflow:
    def __init__(self) -> None:
        bad: Any = "sometimes"
        self.agent = TemporalAgent("m", snapshots=bad)

    @workflow.run
    async def run(self) -> None: ...


@pytest.mark.server
async def test_a_bad_policy_ends_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[BadPolicyWorkflow], models={"m": ScriptedModel}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(BadPolicyWorkflow.run)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "AgentValueError"


# --- Users' calls


@workflow.defn
class TimeTravelWorkflow:
    """Takes a snapshot, goes on, goes back, and goes on again; keeps all of its snapshots."""

    def __init__(self) -> None:
        self.closed = False
        self.snapshots: list[Any] = []
        self.said: list[str] = []
        self.users: list[str] = []
        self.ids: list[str] = []
        self.storage = InMemoryStorage()
        self.manager = SnapshotSessionManager("s", storage=self.storage, snapshot_trigger=always)
        self.agent = TemporalAgent(
            "m", allow_snapshots=True, session_manager=self.manager, agent_id="a", callback_handler=None
        )

    @workflow.run
    async def run(self) -> list[str]:
        await self.say("one")
        start = self.take()
        await self.say("two")
        self.take()
        self.agent.load_snapshot(start)
        await self.say("three")
        self.take()
        self.users.append(str(workflow.uuid4()))
        await workflow.wait_condition(lambda: self.closed)
        return self.said

    async def say(self, prompt: str) -> None:
        self.said.append(str(await self.agent.invoke_async(prompt)).strip())
        self.ids = await self.manager.list_snapshot_ids(self.agent)

    def take(self) -> Any:
        snapshot = self.agent.take_snapshot(preset="session", app_data={"turn": len(self.said)})
        self.snapshots.append(snapshot.to_dict())
        return snapshot

    @workflow.query
    def seen(self) -> list[Any]:
        return [self.snapshots, self.ids, self.users]

    @workflow.query
    def snapshot_now(self) -> str:
        return self.agent.take_snapshot(preset="session").created_at

    @workflow.signal
    def close(self) -> None:
        self.closed = True


@pytest.mark.server
@CACHES
async def test_users_go_back_and_ids_and_times_are_those_of_the_run(agents: Agents, cache: Any) -> None:
    options: dict[str, Any] = {
        "workflows": [TimeTravelWorkflow],
        "models": {"m": lambda: ScriptedModel(count)},
        "task_queue": f"snapshots-{uuid.uuid4()}",
        **({} if cache is None else {"max_cached_workflows": cache}),
    }
    before = datetime.now(timezone.utc)
    async with agents(**options) as env:
        handle = await env.start(TimeTravelWorkflow.run)
        await at_rest(handle)
        live = await handle.query(TimeTravelWorkflow.seen)
        assert moment(await handle.query(TimeTravelWorkflow.snapshot_now)) >= before
        await env.assert_replays(handle)

    snapshots, ids, _ = live
    assert [len(snapshot["data"]["messages"]) for snapshot in snapshots] == [2, 4, 4]
    assert snapshots[0]["data"]["messages"] == snapshots[2]["data"]["messages"][:2]
    assert [snapshot["app_data"] for snapshot in snapshots] == [{"turn": turn} for turn in (1, 2, 3)]
    times = [moment(snapshot["created_at"]) for snapshot in snapshots]
    assert times == sorted(times)
    assert all(before <= time <= datetime.now(timezone.utc) for time in times)
    assert len(set(ids)) == 3
    assert ids == sorted(ids)
    assert all(uuid.UUID(id_).version == 7 for id_ in ids)

    async with agents(**options) as env:  # a new worker, which has only the history
        same = env.client.get_workflow_handle_for(TimeTravelWorkflow.run, handle.id)
        assert await same.query(TimeTravelWorkflow.seen) == live
        await same.signal(TimeTravelWorkflow.close)
        said = await same.result()
        await env.assert_replays(same)
    assert said == [
        "1 messages, the last 'one'",
        "3 messages, the last 'two'",
        "3 messages, the last 'three'",
    ]


# --- Strands' own use, with the default policy


@tool(context=True)
def ask(question: str, tool_context: ToolContext) -> str:
    """Ask a person."""
    return f"they say {tool_context.interrupt('ask', reason=question)}"


def parent_and_child(call: ScriptedCall) -> Reply:
    """The parent delegates, and the child asks. Both report what they learned."""
    if len(call.messages) > 1:
        return say(call.text)
    return use_tool(
        *(("ask", {"question": "why?"}) if "ask" in call.tool_names else ("child", {"input": "x"}))
    )


async def answered(agent: Agent) -> AgentResult:
    result = await agent.invoke_async("go")
    assert [interrupt.reason for interrupt in result.interrupts or ()] == ["why?"]
    answers: Any = [
        {"interruptResponse": {"interruptId": interrupt.id, "response": "because"}}
        for interrupt in result.interrupts or ()
    ]
    return await agent.invoke_async(answers)


@pytest.mark.server
@CACHES
@pytest.mark.parametrize("preserve", [True, False], ids=["with memory", "without"])
async def test_a_sub_agent_that_asks(
    client: Client, worker_options: dict[str, Any], cache: Any, preserve: bool
) -> None:
    scenario = Scenario(
        script=lambda: ScriptedModel(parent_and_child),
        build=lambda make: make(
            tools=[make(name="child", tools=[ask]).as_tool(name="child", preserve_context=preserve)]
        ),
        drive=answered,
    )
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert parity.durable.text == "they say because\n\n"


@pytest.mark.server
@CACHES
async def test_a_goal_loop_that_forgets_failed_attempts(
    client: Client, worker_options: dict[str, Any], cache: Any
) -> None:
    def script() -> ScriptedModel:
        return ScriptedModel(say("no"), say("no again"), count)

    def build(make: AgentFactory) -> Agent:
        def is_count(response: Any, agent: Any, **kwargs: Any) -> bool:
            return "messages" in response["content"][0]["text"]

        return make(plugins=[GoalLoop(is_count, max_attempts=5, preserve_context=False)])

    parity = await run_parity(
        client, Scenario(script, build, prompts("go")), **with_cache(worker_options, cache)
    )
    parity.assert_equal()
    assert [len(given["messages"]) for given in parity.durable.given] == [1, 2, 2]


@pytest.mark.server
@CACHES
@pytest.mark.parametrize("save_on", ["message", "invocation", "trigger"])
async def test_a_session_in_memory_is_restored_in_the_next_agent(
    client: Client,
    worker_options: dict[str, Any],
    cache: Any,
    save_on: Literal["message", "invocation", "trigger"],
) -> None:
    kept: dict[int, list[Any]] = {}

    def build(make: AgentFactory) -> Agent:
        storage = InMemoryStorage()

        def another() -> Agent:
            manager = SnapshotSessionManager(
                "s", storage=storage, save_latest_on=save_on, snapshot_trigger=always
            )
            return make(session_manager=manager, agent_id="a")

        first = another()
        kept[id(first)] = [another]
        return first

    async def drive(agent: Agent) -> AgentResult:
        await agent.invoke_async("one")
        (another,) = kept.pop(id(agent))
        return await another().invoke_async("two")

    scenario = Scenario(lambda: ScriptedModel(count), build, drive)
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert parity.durable.text == "3 messages, the last 'two'\n"


class Repository(SessionRepository):
    """A message log in memory."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.agents: dict[str, SessionAgent] = {}
        self.messages: dict[str, dict[int, SessionMessage]] = {}

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        self.sessions[session.session_id] = session
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        return self.sessions.get(session_id)

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self.agents[session_agent.agent_id] = session_agent

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        return self.agents.get(agent_id)

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self.agents[session_agent.agent_id] = session_agent

    def create_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any
    ) -> None:
        self.messages.setdefault(agent_id, {})[session_message.message_id] = session_message

    def read_message(
        self, session_id: str, agent_id: str, message_id: int, **kwargs: Any
    ) -> SessionMessage | None:
        return self.messages.get(agent_id, {}).get(message_id)

    def update_message(
        self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any
    ) -> None:
        self.messages[agent_id][session_message.message_id] = session_message

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        listed = list(self.messages.get(agent_id, {}).values())[offset:]
        return listed if limit is None else listed[:limit]


@workflow.defn
class MessageLogWorkflow:
    def __init__(self) -> None:
        self.repository = Repository()
        self.said: list[str] = []

    @workflow.run
    async def run(self) -> list[Any]:
        for prompt in ("one", "two"):
            manager = RepositorySessionManager("s", self.repository)
            agent = TemporalAgent("m", session_manager=manager, agent_id="a", callback_handler=None)
            self.said.append(str(await agent.invoke_async(prompt)).strip())
        log = self.repository.messages["a"].values()
        ids = [entry.message.get("tracking_id") for entry in log]
        return [self.said, [entry.created_at for entry in log], ids]


@pytest.mark.server
async def test_a_message_log_in_memory_has_the_runs_times_whatever_replays(agents: Agents) -> None:
    async with agents(
        workflows=[MessageLogWorkflow], models={"m": lambda: ScriptedModel(count)}, max_cached_workflows=0
    ) as env:
        handle = await env.start(MessageLogWorkflow.run)
        said, times, ids = await handle.result()
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert said == ["1 messages, the last 'one'", "3 messages, the last 'two'"]
    tasks = [
        event.event_time.ToDatetime(timezone.utc)
        for event in history.events
        if event.HasField("workflow_task_started_event_attributes")
    ]
    assert len(set(ids)) == 4
    expected = [tasks[0], tasks[1], tasks[1], tasks[2]]
    # The SDK converts the server's nanoseconds to a float.
    assert all(
        abs(moment(time) - task) < timedelta(milliseconds=1)
        for time, task in zip(times, expected, strict=True)
    )
