"""`agent.cancel()` and `cancel_signal=`: what a plain agent gives, at once, and the activity is told."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from conftest import Agents
from strands import Agent, ToolContext, tool
from strands.agent.agent_result import AgentResult
from strands.hooks import (
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.vended_tools.stop import stop
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.workflow import ActivityCancellationType

from strands_temporal import TemporalAgent
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import heartbeating
from strands_temporal.testing import (
    MakeAgent,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import CancelSignal

SOON = 45
TOLD_FAST: Any = {"heartbeat_timeout": timedelta(seconds=2)}

TOLD_SURELY: Any = {"heartbeat_timeout": timedelta(seconds=6)}
"""Where what the activity says counts: heartbeats go at 80 % of this, and a busy machine needs the rest."""

started: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
stopped: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
"""What runs on the worker and waits, by name."""


@pytest.fixture(autouse=True)
def nothing_runs() -> None:
    started.clear()
    stopped.clear()


async def until_cancelled(name: str) -> None:
    started[name].set()
    try:
        await asyncio.Event().wait()
    finally:
        stopped[name].set()


# --- In which order things happen, plain and in a workflow: no time decides

Step: TypeAlias = Callable[[], Awaitable[None]]

under_way: "asyncio.Queue[None]" = asyncio.Queue()
"""Each model call, tool and hook that waits."""

acted = asyncio.Event()
"""The agent was cancelled, or whatever else was to happen meanwhile."""


async def until_acted() -> None:
    under_way.put_nowait(None)
    await acted.wait()


async def for_good() -> None:
    under_way.put_nowait(None)
    await asyncio.Event().wait()


async def begin() -> None:
    while not under_way.empty():
        under_way.get_nowait()
    acted.clear()


async def until_under_way() -> None:
    await asyncio.wait_for(under_way.get(), SOON)


async def until_two_are_under_way() -> None:
    await until_under_way()
    await until_under_way()


async def have_acted() -> None:
    acted.set()


STEPS: dict[str, Step] = {
    step.__name__: step for step in (begin, until_under_way, until_two_are_under_way, have_acted)
}


@activity.defn
async def take(step: str) -> None:
    await STEPS[step]()


async def do(step: Step) -> None:
    """Take a step; for a workflow an activity takes it, where models and tools are."""
    if workflow.in_workflow():
        limit = timedelta(seconds=2 * SOON)
        await workflow.execute_activity(take, step.__name__, start_to_close_timeout=limit)
    else:
        await step()


# --- Parity: the same scenario, plain and durable


class InFlight(HookProvider):
    """Acts when a model call or a tool call is under way."""

    def __init__(self, event_type: type[Any], act: Callable[[], None], until: Step = until_under_way) -> None:
        self.event_type = event_type
        self.act = act
        self.until = until
        self.tasks: list[asyncio.Task[None]] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(self.event_type, self.later)

    def later(self, event: Any) -> None:
        async def act() -> None:
            await do(self.until)
            self.act()
            await do(have_acted)

        if not self.tasks:
            self.tasks.append(asyncio.create_task(act()))


def cancelling(
    event_type: type[Any] | None,
    cancel: Callable[[Agent], None] = lambda agent: agent.cancel(),
    *,
    turns: tuple[str, ...] = ("go", "again"),
    until: Step = until_under_way,
    **arguments: Any,
) -> Callable[[Agent], Awaitable[AgentResult]]:
    """Return a `drive` that cancels the first turn and then calls the agent again.

    Args:
        event_type: What is under way when the agent is cancelled; None cancels it before the turn.
        cancel: How.
        turns: The prompts.
        until: What must have happened first.
        arguments: For the first `invoke_async`.
    """

    async def drive(agent: Agent) -> AgentResult:
        await do(begin)
        if event_type is None:
            cancel(agent)
            await do(have_acted)
        else:
            agent.hooks.add_hook(InFlight(event_type, lambda: cancel(agent), until))
        result = await agent.invoke_async(turns[0], **arguments)
        assert agent.cancel_signal.is_set() is False
        agent.state.set("first", [result.stop_reason, str(result), result.message["content"]])
        for turn in turns[1:]:
            result = await agent.invoke_async(turn)
        agent.messages.append({"role": "user", "content": [{"text": str(agent.state.get("first"))}]})
        return result

    return drive


@tool(name="ends_late", context=True)
async def until_cancelled_plainly(name: str, tool_context: ToolContext[Any]) -> Any:
    """End late, or when cancelled.

    Args:
        name: Who runs.
    """
    await until_acted()
    if not tool_context.cancel_signal.is_set():  # a sub-agent's is set a moment later
        assert await asyncio.to_thread(tool_context.cancel_signal.wait, SOON)
    return {"status": "error", "content": [{"text": "Tool execution cancelled"}]}


@tool(name="ends_late")
async def until_acted_plainly(name: str) -> str:
    """End late, or when cancelled.

    Args:
        name: Who runs.
    """
    await until_acted()
    return f"{name} ended"


class Never:
    @activity.defn(name="never")
    async def ends_late(self, name: str) -> str:
        """End late, or when cancelled.

        Args:
            name: Who runs.
        """
        under_way.put_nowait(None)
        with heartbeating():
            await until_cancelled(name)
        return "not reached"


class Soon:
    @activity.defn(name="soon")
    async def ends_late(self, name: str) -> str:
        """End late, or when cancelled.

        Args:
            name: Who runs.
        """
        await until_acted()
        return f"{name} ended"


def slow_tool(make: MakeAgent) -> Any:
    return activity_as_tool(Never.ends_late, **TOLD_FAST) if make.durable else until_cancelled_plainly


def soon_tool(make: MakeAgent) -> Any:
    return activity_as_tool(Soon.ends_late) if make.durable else until_acted_plainly


@tool
async def echo(text: str) -> str:
    """Echo."""
    return text


def slow_model(first: Reply | None = None) -> Callable[[], ScriptedModel]:
    """Return what makes a model that is slow to answer the first turn, after `first`.

    Plain, it sends its first chunk after the cancellation, which plain Strands sees only then; durable never.
    """
    waits = iter([until_acted, for_good])

    def make() -> ScriptedModel:
        wait = next(waits)

        def script(call: ScriptedCall) -> Reply:
            if call.text.endswith("again"):
                return say("here again")
            if first is not None and call.number == 0:
                return first
            return say("too late").when(wait)

        return ScriptedModel(script)

    return make


def asks(*calls: Reply) -> Callable[[], ScriptedModel]:
    """Return what makes a model that asks for `calls` in the first turn, one by one."""

    def script(call: ScriptedCall) -> Reply:
        if call.text.endswith("again"):
            return say("here again")
        return calls[call.number] if call.number < len(calls) else say("answered")

    return lambda: ScriptedModel(script)


def two_tools(executor: Any) -> Callable[[MakeAgent], Agent]:
    return lambda make: make(tools=[slow_tool(make)], tool_executor=executor)


sub_agents: list[Agent] = []


async def until_it_reaches_the_sub_agent() -> None:
    """Wait for the cancellation in the plain agent, which hands it on by looking at intervals."""
    under_way.put_nowait(None)
    assert await asyncio.to_thread(sub_agents[0].cancel_signal.wait, SOON)


def with_sub_agent(tool_of_sub: Callable[[MakeAgent], Any] | None) -> Callable[[MakeAgent], Agent]:
    def build(make: MakeAgent) -> Agent:
        tools = [tool_of_sub(make)] if tool_of_sub else []
        sub = make(tools=tools, name="helper")
        sub_agents[:] = [sub]
        return make(tools=[sub.as_tool()])

    return build


class SlowHook(HookProvider):
    """A hook before each tool call that waits for the cancellation: plain, or an activity."""

    def __init__(self, make: MakeAgent) -> None:
        self.durable = make.durable

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        if self.durable:
            registry.add_callback(BeforeToolCallEvent, activity_as_hook(check))
        else:
            registry.add_callback(BeforeToolCallEvent, plain_check)


@activity.defn
async def check() -> None:
    await until_acted()


async def plain_check(event: BeforeToolCallEvent) -> None:
    await until_acted()


def stopping(agent: Agent) -> None:
    agent.cancel(message="Stopped by the user.")


def after_tools(agent: Agent) -> None:
    agent.cancel(message="Enough.", after_current_tools=True)


def after_tools_silently(agent: Agent) -> None:
    agent.cancel(after_current_tools=True)


TWO = use_tools([("ends_late", {"name": "a"}, "a"), ("ends_late", {"name": "b"}, "b")])
ONE = use_tool("ends_late", {"name": "a"})
HELP = use_tool("helper", {"input": "help"})


def sub_agent_script() -> Callable[[], ScriptedModel]:
    """The agent and its helper share a model; the helper is the one that is asked for help."""
    waits = iter([until_it_reaches_the_sub_agent, for_good])

    def make() -> ScriptedModel:
        wait = next(waits)

        def script(call: ScriptedCall) -> Reply:
            if call.text.endswith("again"):
                return say("here again")
            return say("too late").when(wait) if call.text == "help" else HELP

        return ScriptedModel(script)

    return make


def sub_agent_with_tool() -> ScriptedModel:
    def script(call: ScriptedCall) -> Reply:
        if call.text.endswith("again"):
            return say("here again")
        return ONE if call.text == "help" else HELP

    return ScriptedModel(script)


SCENARIOS: dict[str, Scenario] = {
    "model": Scenario(slow_model(), lambda make: make(), cancelling(BeforeModelCallEvent), [take]),
    "model, message": Scenario(
        slow_model(), lambda make: make(), cancelling(BeforeModelCallEvent, stopping), [take]
    ),
    "model after a tool": Scenario(
        slow_model(use_tool("echo", {"text": "x"})),
        lambda make: make(tools=[echo]),
        cancelling(BeforeToolCallEvent),
        [take],
    ),
    "before the turn": Scenario(slow_model(), lambda make: make(), cancelling(None, stopping), [take]),
    "tool, concurrent": Scenario(
        asks(ONE),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
    "tool, message": Scenario(
        asks(ONE),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent, stopping),
        [Never().ends_late, take],
    ),
    "two tools, concurrent": Scenario(
        asks(TWO),
        two_tools(ConcurrentToolExecutor()),
        cancelling(BeforeToolCallEvent, until=until_two_are_under_way),
        [Never().ends_late, take],
    ),
    "two tools, sequential": Scenario(
        asks(TWO),
        two_tools(SequentialToolExecutor()),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
    "deferred, during a tool": Scenario(
        asks(ONE),
        lambda make: make(tools=[soon_tool(make)]),
        cancelling(BeforeToolCallEvent, after_tools),
        [Soon().ends_late, take],
    ),
    "deferred, no message": Scenario(
        asks(ONE),
        lambda make: make(tools=[soon_tool(make)]),
        cancelling(BeforeToolCallEvent, after_tools_silently),
        [Soon().ends_late, take],
    ),
    "deferred, during the last model call": Scenario(
        lambda: ScriptedModel(say("answered").when(until_acted), say("here again")),
        lambda make: make(),
        cancelling(BeforeModelCallEvent, after_tools),
        [take],
    ),
    "stop tool": Scenario(
        asks(use_tool("stop", {"message": "Done."})),
        lambda make: make(tools=[stop]),
        cancelling(None, lambda agent: None),
        [take],
    ),
    "hook": Scenario(
        asks(use_tool("echo", {"text": "x"})),
        lambda make: make(tools=[echo], hooks=[SlowHook(make)]),
        cancelling(BeforeToolsEvent),
        [check, take],
    ),
    "sub-agent's model": Scenario(
        sub_agent_script(), with_sub_agent(None), cancelling(BeforeToolCallEvent), [take]
    ),
    "sub-agent's tool": Scenario(
        sub_agent_with_tool,
        with_sub_agent(slow_tool),
        cancelling(BeforeToolCallEvent),
        [Never().ends_late, take],
    ),
}


@pytest.mark.server
@pytest.mark.parametrize("name", sorted(SCENARIOS))
async def test_parity(client: Client, name: str, worker_options: dict[str, Any]) -> None:
    parity = await asyncio.wait_for(run_parity(client, SCENARIOS[name], **worker_options), 60)
    if name == "before the turn":
        del parity.plain.given[0]  # plain, the model is asked and its first chunk thrown away
    parity.assert_equal()
    reason = "end_turn" if name == "deferred, during the last model call" else "cancelled"
    assert f"['{reason}'" in parity.durable.messages[-1]["content"][0]["text"]
    assert parity.durable.text == "here again\n"


async def graph_with_a_cancelled_node(make: Callable[[str], Agent]) -> list[Any]:
    """Run two nodes side by side, one of which is cancelled, and a third that would follow it."""
    await do(begin)
    agents = {name: make(name) for name in ("slow", "quick", "third")}
    builder = GraphBuilder()
    for name, agent in agents.items():
        builder.add_node(agent, name)
    builder.add_edge("slow", "third")
    builder.set_max_node_executions(10)
    agents["slow"].hooks.add_hook(InFlight(BeforeModelCallEvent, agents["slow"].cancel))
    result = await builder.build().invoke_async("go")
    statuses = {name: node.status.value for name, node in result.results.items()}
    return [result.status.value, statuses]


@workflow.defn
class GraphWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        return await graph_with_a_cancelled_node(
            lambda name: TemporalAgent(name, name=name, callback_handler=None, **TOLD_FAST)
        )


@pytest.mark.server
async def test_a_graphs_node_whose_agent_is_cancelled_fails_as_in_a_plain_graph(agents: Agents) -> None:
    def model(name: str, wait: Callable[[], Awaitable[None]]) -> ScriptedModel:
        return ScriptedModel(say(name).when(wait) if name == "slow" else say(name))

    models = {name: lambda name=name: model(name, for_good) for name in ("slow", "quick", "third")}
    async with agents(workflows=[GraphWorkflow], activities=[take], models=models) as env:
        durable = await asyncio.wait_for(env.run(GraphWorkflow.run), SOON)
    plain = await graph_with_a_cancelled_node(
        lambda name: Agent(model(name, until_acted), name=name, callback_handler=None)
    )
    assert durable == plain
    assert durable == ["failed", {"quick": "completed", "slow": "failed"}]


# --- In a workflow: who cancels, how fast, and what is left in history


class CancelHandlers:
    """The ways in which a client cancels an agent."""

    def __init__(self) -> None:
        self.signal: Any = None
        self.agent: TemporalAgent | None = None

    @workflow.update
    async def cancel(self) -> None:
        assert self.agent is not None
        if self.signal is not None:
            self.signal.set()
        else:
            self.agent.cancel()

    @workflow.signal
    async def cancel_by_signal(self) -> None:
        assert self.agent is not None
        self.agent.cancel()

    @workflow.query
    def cancel_by_query(self) -> None:
        assert self.agent is not None
        self.agent.cancel()


@workflow.defn
class Cancellable(CancelHandlers):
    """Two turns of an agent; the first one is cancelled."""

    @workflow.run
    async def run(self, signal: str | None = None, preset: bool = False) -> list[Any]:
        if signal == "CancelSignal":
            self.signal = CancelSignal()
        elif signal == "asyncio.Event":
            self.signal = asyncio.Event()
        elif signal == "threading.Event":
            self.signal = threading.Event()
        if preset:
            self.signal.set()
        wait = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        tools = [
            activity_as_tool(Never.ends_late, **TOLD_FAST),
            activity_as_tool(tidies_up, **TOLD_SURELY, cancellation_type=wait),
            waits_for_the_signal,
        ]
        self.agent = TemporalAgent("model", callback_handler=None, tools=tools, **TOLD_FAST)
        first = await self.agent.invoke_async("go", cancel_signal=self.signal)
        if self.signal is not None:
            assert self.signal.is_set()
            self.signal.clear()
        second = await self.agent.invoke_async("again", cancel_signal=self.signal)
        return [first.stop_reason, str(second).strip(), _results(self.agent.messages)]


def _results(messages: Any) -> list[str]:
    return [
        block["toolResult"]["content"][0]["text"]
        for message in messages
        for block in message["content"]
        if "toolResult" in block
    ]


@activity.defn
async def tidies_up(name: str) -> str:
    """Tidy up when cancelled.

    Args:
        name: How.
    """
    with heartbeating():
        try:
            await until_cancelled(name)
        except asyncio.CancelledError:
            if name == "fails":
                raise ApplicationError("the clean-up failed", non_retryable=True) from None
    return "tidied up"


@tool(context=True)
def waits_for_the_signal(tool_context: ToolContext[Any]) -> str:
    """Wait for the cancel signal, as a plain tool in a thread may.

    Args:
        tool_context: Of Strands.
    """
    return f"set: {tool_context.cancel_signal.wait(1)}"


def on_first_turn(first: Reply) -> ScriptedModel:
    return ScriptedModel(lambda call: say("here again") if call.text.endswith("again") else first)


WAITING_MODEL = say("too late").when(lambda: until_cancelled("model"))
ACTIVITIES = [Never().ends_late, tidies_up]


@pytest.mark.server
@pytest.mark.parametrize(
    ("first", "running", "results"),
    [
        (WAITING_MODEL, "model", []),
        (ONE, "a", ["Tool execution cancelled"]),
        (use_tool("tidies_up", {"name": "b"}), "b", ["tidied up"]),
        (use_tool("tidies_up", {"name": "fails"}), "fails", ["Tool execution cancelled"]),
    ],
    ids=["model", "tool", "tool that tidies up", "tool that fails to"],
)
async def test_a_client_cancels_the_agent_and_the_activity_is_told(
    agents: Agents, first: Reply, running: str, results: list[str]
) -> None:
    model = on_first_turn(first)
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        handle = await env.start(Cancellable.run)
        await asyncio.wait_for(started[running].wait(), SOON)
        await handle.execute_update(Cancellable.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == ["cancelled", "here again", results]
        await asyncio.wait_for(stopped[running].wait(), SOON)
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert not [e for e in history.events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert [call.text for call in model.calls] == ["go", "again"]


@pytest.mark.server
@pytest.mark.parametrize("signal", ["CancelSignal", "asyncio.Event", "threading.Event"])
@pytest.mark.parametrize("preset", [False, True], ids=["set later", "set before"])
async def test_a_cancel_signal_of_the_workflow_cancels_without_a_timer(
    agents: Agents, signal: str, preset: bool
) -> None:
    # Temporal's sandbox lets nobody make a threading.Event.
    options: Any = {"workflow_runner": UnsandboxedWorkflowRunner()} if signal == "threading.Event" else {}
    model = on_first_turn(WAITING_MODEL)
    models = {"model": lambda: model}
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models=models, **options) as env:
        handle = await env.start(Cancellable.run, signal, preset)
        if not preset:
            await asyncio.wait_for(started["model"].wait(), SOON)
            await handle.execute_update(Cancellable.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == ["cancelled", "here again", []]
        history = await handle.fetch_history()
        if not options:
            await env.assert_replays(handle)
    assert not [e for e in history.events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert len(model.calls) == (1 if preset else 2)  # nothing is paid for a turn that was cancelled before


@pytest.mark.server
async def test_a_query_cannot_cancel_what_a_replay_would_not(agents: Agents) -> None:
    model = on_first_turn(WAITING_MODEL)
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        handle = await env.start(Cancellable.run)
        await asyncio.wait_for(started["model"].wait(), SOON)
        with pytest.raises(WorkflowQueryFailedError, match="Cancel it from a signal or an update"):
            await handle.query(Cancellable.cancel_by_query)
        assert not stopped["model"].is_set()
        await handle.signal(Cancellable.cancel_by_signal)
        assert (await asyncio.wait_for(handle.result(), SOON))[0] == "cancelled"
        await env.assert_replays(handle)


@pytest.mark.server
async def test_a_plain_tool_that_would_block_on_the_signal_is_told_what_to_write(agents: Agents) -> None:
    model = ScriptedModel(use_tool("waits_for_the_signal", {}), say("done"), say("here again"))
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        _, _, (result,) = await env.run(Cancellable.run)
    assert "await workflow.wait_condition(signal.is_set)" in result


# --- Two things at once: they come to the workflow in one task, as after a worker's restart


@workflow.defn
class Elsewhere(CancelHandlers):
    """Its activities run on another queue, so that they go on while no worker takes the workflow."""

    @workflow.run
    async def run(self, queue: str) -> list[Any]:
        tool = activity_as_tool(Never.ends_late, task_queue=queue, **TOLD_FAST)
        options: Any = {"task_queue": queue, **TOLD_FAST}
        self.agent = TemporalAgent("model", callback_handler=None, tools=[tool], **options)
        result = await self.agent.invoke_async("go")
        second = await self.agent.invoke_async("again")
        return [result.stop_reason, str(second).strip(), _results(self.agent.messages)]


class Gate:
    """An activity that ends when the test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    @activity.defn(name="never")
    async def ends_late(self, name: str) -> str:
        started[name].set()
        with heartbeating():
            await self.open.wait()
        stopped[name].set()
        return "ended all the same"


@pytest.mark.server
@pytest.mark.parametrize("of", ["model", "tool"])
@pytest.mark.parametrize(
    "what", ["agent.cancel() and the answer", "agent.cancel() and the workflow's cancel"]
)
async def test_two_things_at_once(agents: Agents, of: str, what: str) -> None:
    gate = Gate()

    async def answered() -> None:
        started["model"].set()
        await gate.open.wait()
        stopped["model"].set()

    model = on_first_turn(say("too late").when(answered) if of == "model" else ONE)
    running = "model" if of == "model" else "a"
    models = {"model": lambda: model}
    async with agents(workflows=[Cancellable], activities=[gate.ends_late], models=models) as elsewhere:
        async with agents(workflows=[Elsewhere], models=models) as env:
            handle = await env.start(Elsewhere.run, elsewhere.task_queue)
            await asyncio.wait_for(started[running].wait(), SOON)
            queue = env.task_queue
        await handle.signal(Elsewhere.cancel_by_signal)
        if what == "agent.cancel() and the answer":
            gate.open.set()
            await asyncio.wait_for(stopped[running].wait(), SOON)
            await asyncio.wait_for(_answered(handle), SOON)
        else:
            await handle.cancel()
        async with agents(workflows=[Elsewhere], models=models, task_queue=queue) as env:
            if what == "agent.cancel() and the answer":
                results = [] if of == "model" else ["ended all the same"]
                expected = ["cancelled", "here again", results]
                assert await asyncio.wait_for(handle.result(), SOON) == expected
            else:
                with pytest.raises(WorkflowFailureError) as failure:
                    await asyncio.wait_for(handle.result(), SOON)
                assert isinstance(failure.value.cause, CancelledError)
                assert [call.text for call in model.calls] == ["go"]
            await env.assert_replays(handle)
        gate.open.set()


async def _answered(handle: Any) -> None:
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            return


# --- A second call with the same idempotency token waits for the first


async def same_twice(agent: Agent, cancel: bool) -> list[Any]:
    """Call the agent twice with a token, and end the first call early."""
    await do(begin)
    token = "the same request"
    first = asyncio.create_task(agent.invoke_async("go", idempotency_token=token))
    second = asyncio.create_task(agent.invoke_async("go", idempotency_token=token))
    await do(until_under_way)
    if cancel:
        first.cancel()
    await do(have_acted)
    ended = await asyncio.gather(first, second, return_exceptions=True)
    return [type(end).__name__ if isinstance(end, BaseException) else str(end).strip() for end in ended]


@workflow.defn
class SameTwice:
    @workflow.run
    async def run(self, cancel: bool) -> list[Any]:
        return await same_twice(TemporalAgent("model", callback_handler=None, **TOLD_FAST), cancel)


@pytest.mark.server
@pytest.mark.parametrize("cancel", [False, True], ids=["ends", "is cancelled"])
async def test_a_duplicate_call_ends_with_the_first(agents: Agents, cancel: bool) -> None:
    def model() -> ScriptedModel:
        return ScriptedModel(say("once").when(until_acted))

    async with agents(workflows=[SameTwice], activities=[take], models={"model": model}) as env:
        durable = await asyncio.wait_for(env.run(SameTwice.run, cancel), SOON)
    plain = await same_twice(Agent(model(), callback_handler=None), cancel)
    assert durable == plain
    assert durable == (["CancelledError", "IdempotencyAbortedError"] if cancel else ["once", "once"])


# --- Outside a workflow


def test_outside_a_workflow_a_cancel_signal_is_an_event() -> None:
    signal = CancelSignal()
    assert signal.wait(0) is False
    threading.Thread(target=signal.set).start()
    assert signal.wait(SOON)
    signal.clear()
    assert not signal.is_set()
