"""Scenes for docs/coming-from-contrib-strands.md, run with this project or with the other integration.

A program for either environment: `python -m integration_tests.behaviours ADDRESS` prints, as JSON, what was
seen of each scene. The module `integration`, which a test writes, has the names of the integration to run. We
know the other one by its public documentation, and by what this program sees.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownLambdaType=false
# `integration` exists only where this program runs.

import asyncio
import json
import logging
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

from integration import StrandsPlugin, TemporalAgent, activity_as_hook, activity_as_tool
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.models import Model
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

PATIENCE = 25.0  # seconds: a run that goes on for longer is said to go on
TIMEOUT = timedelta(seconds=20)
QUICK = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10))


def says(text: str, stop_reason: str = "end_turn") -> list[Any]:
    """Return the stream of an answer."""
    block = [{"contentBlockStart": {"start": {}}}, {"contentBlockDelta": {"delta": {"text": text}}}]
    return _message(block, stop_reason)


def calls(name: str, arguments: dict[str, Any]) -> list[Any]:
    """Return the stream of an answer that asks for a tool."""
    start = {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": "call-1"}}}}
    delta = {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(arguments)}}}}
    return _message([start, delta], "tool_use")


def _message(block: list[Any], stop_reason: str) -> list[Any]:
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    return [
        {"messageStart": {"role": "assistant"}},
        *block,
        {"contentBlockStop": {}},
        {"messageStop": {"stopReason": stop_reason}},
        {"metadata": {"usage": usage, "metrics": {"latencyMs": 1}}},
    ]


class Scripted(Model):
    """Plays a script, and keeps the last message of each call."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps
        self.read: list[Any] = []

    def update_config(self, **model_config: Any) -> None:
        """See base class."""

    def get_config(self) -> dict[str, Any]:
        """See base class."""
        return {}

    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """See base class."""
        raise NotImplementedError
        yield

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """See base class."""
        step = self.steps[min(len(self.read), len(self.steps) - 1)]
        self.read.append(messages[-1]["content"])
        if isinstance(step, Exception):
            raise step
        if isinstance(step, float):
            await asyncio.sleep(step)
            step = says("late")
        for event in step:
            yield event


class AuthenticationError(Exception):
    """What a provider's SDK raises for a bad key."""

    status_code = 401


@tool
def plain(number: int) -> str:
    """Say a number."""
    return f"got {number}"


@tool
async def asynchronous(number: int) -> str:
    """Say a number."""
    return f"got {number}"


@activity.defn
async def counts(number: int) -> str:
    """Say a number."""
    return f"got {number}"


@activity.defn
async def raises(number: int) -> str:
    """Fail."""
    raise LookupError("no such thing")


@activity.defn
async def dawdles(number: int) -> str:
    """Take ten seconds."""
    await asyncio.sleep(10)
    return "late"


@activity.defn
async def audits(name: str) -> None:
    """Fail."""
    raise LookupError("no audit")


class BadHook(HookProvider):
    """A hook with a bug."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """See base class."""
        registry.add_callback(BeforeToolCallEvent, self._fail)

    def _fail(self, event: BeforeToolCallEvent) -> None:
        raise KeyError("bug")


class FailingAudit(HookProvider):
    """A hook whose activity fails."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """See base class."""
        hook = activity_as_hook(
            audits,
            activity_input=lambda event: event.tool_use["name"],
            start_to_close_timeout=TIMEOUT,
            retry_policy=QUICK,
        )
        registry.add_callback(BeforeToolCallEvent, hook)


def agent(scene: str, **options: Any) -> Any:
    """Return the agent of a scene, whose model has the scene's name."""
    options.setdefault("start_to_close_timeout", TIMEOUT)
    return TemporalAgent(model=scene, callback_handler=None, **options)


def as_tool(function: Callable[..., Any], **options: Any) -> Any:
    """Return an activity as a tool."""
    return activity_as_tool(function, start_to_close_timeout=TIMEOUT, **options)


async def caught(scene: str) -> str:
    """Return the class of what a failing model call raises in the workflow."""
    try:
        return str(await agent(scene, retry_policy=QUICK).invoke_async("Hi"))
    except Exception as error:  # noqa: BLE001  # its class is what we want to see
        return type(error).__name__


async def five_turns(scene: str) -> str:
    """Take five turns."""
    speaker = agent(scene)
    for _ in range(5):
        await speaker.invoke_async("q" * 1000)
    return "done"


async def stopped(scene: str) -> str:
    """Cancel an agent in the middle of a model call; return how long it takes to return, in seconds."""
    speaker = agent(scene)
    turn = asyncio.create_task(speaker.invoke_async("Hi"))
    await asyncio.sleep(1)
    before = workflow.now()
    speaker.cancel()
    await turn
    return f"{(workflow.now() - before).total_seconds():.0f} s"


async def approved(scene: str) -> str:
    """Answer Strands' `HumanInTheLoop`."""
    asking = agent(scene, tools=[asynchronous], interventions=[HumanInTheLoop()])
    result = await asking.invoke_async("Hi")
    answer = {"interruptResponse": {"interruptId": result.interrupts[0].id, "response": "y"}}
    return f"{result.stop_reason}, {await asking.invoke_async([answer])}"


async def answered(scene: str, prompt: Any = "Hi", **options: Any) -> str:
    """Take one turn."""
    return str(await agent(scene, **options).invoke_async(prompt))


async def called_directly(scene: str) -> str:
    """Call the agent without awaiting it."""
    return str(agent(scene)("Hi"))


IMAGE = [{"image": {"format": "png", "source": {"bytes": b"\x89PNG\xff"}}}]
NUMBER = {"number": 1}

SCENES: dict[str, tuple[Callable[..., Any], dict[str, Any], tuple[Any, ...]]] = {
    "plain tool": (answered, {"tools": [plain]}, (calls("plain", NUMBER), says("end"))),
    "async tool": (answered, {"tools": [asynchronous]}, (calls("asynchronous", NUMBER), says("end"))),
    "image": (answered, {"prompt": IMAGE}, (says("end"),)),
    "no timeout": (answered, {"start_to_close_timeout": None}, (says("end"),)),
    "synchronous call": (called_directly, {}, (says("end"),)),
    "unknown model": (answered, {}, ()),
    "bad key": (answered, {}, (AuthenticationError("bad key"),)),
    "throttled": (caught, {}, (ModelThrottledException("slow down"),)),
    "overflow": (caught, {}, (ContextWindowOverflowException("too long"),)),
    "token limit": (answered, {}, (says("half", "max_tokens"),)),
    "bad hook": (
        answered,
        {"tools": [asynchronous], "hooks": [BadHook()]},
        (calls("asynchronous", NUMBER), says("end")),
    ),
    "failing audit": (answered, {"tools": [asynchronous], "audit": True}, (calls("asynchronous", NUMBER),)),
    "bad arguments": (answered, {"activity": counts}, (calls("counts", {"number": "one"}), says("end"))),
    "failing tool": (answered, {"activity": raises}, (calls("raises", NUMBER), says("end"))),
    "agent.cancel": (stopped, {}, (6.0,)),
    "cancelled workflow": (answered, {"activity": dawdles}, (calls("dawdles", NUMBER), says("end"))),
    "five turns": (five_turns, {}, (says("a" * 1000),)),
    "HumanInTheLoop": (approved, {}, (calls("asynchronous", NUMBER), says("end"))),
}


@workflow.defn
class SceneWorkflow:
    """Plays one scene."""

    @workflow.run
    async def run(self, scene: str) -> str:
        """Play it."""
        play, options, _ = SCENES[scene]
        options = dict(options)
        if function := options.pop("activity", None):
            retries = {} if function is counts else {"retry_policy": QUICK}
            beats = {"heartbeat_timeout": timedelta(seconds=2)} if function is dawdles else {}
            options["tools"] = [as_tool(function, **retries, **beats)]
        if options.pop("audit", False):
            options["hooks"] = [FailingAudit()]
        if "start_to_close_timeout" in options:
            return str(await TemporalAgent(model=scene, callback_handler=None).invoke_async("Hi"))
        return str(await play(scene, **options)).strip()


async def see(handle: "WorkflowHandle[Any, Any]", scene: str, model: Scripted) -> dict[str, Any]:
    """Wait for a scene and return what a user sees of it."""
    if scene == "cancelled workflow":
        await _until_running(handle, "dawdles")
        await handle.cancel()
    seen: dict[str, Any] = {}
    try:
        seen["result"] = await asyncio.wait_for(handle.result(), PATIENCE)
    except asyncio.TimeoutError:
        pending = (await handle.describe()).raw_description.pending_activities
        if pending:
            seen["pending"] = f"{pending[0].activity_type.name}: {pending[0].last_failure.message}"
            seen["attempt"] = pending[0].attempt
    except WorkflowFailureError as failure:
        seen["failure"] = f"{getattr(failure.cause, 'type', None) or type(failure.cause).__name__}"
    events = (await handle.fetch_history()).events
    if failed := [event for event in events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED]:
        seen["task failed"] = failed[-1].workflow_task_failed_event_attributes.failure.message
    if model.read:
        seen["read"] = json.dumps(model.read[-1], default=str)
    seen["inputs"] = [_input_bytes(event) for event in events if _input_bytes(event)]
    if not seen.keys() & {"result", "failure"}:
        await handle.terminate()
    return seen


async def _until_running(handle: "WorkflowHandle[Any, Any]", activity_type: str) -> None:
    while True:
        for pending in (await handle.describe()).raw_description.pending_activities:
            started = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if started and pending.activity_type.name == activity_type:
                return
        await asyncio.sleep(0.05)  # nobody is told when an activity starts


def _input_bytes(event: HistoryEvent) -> int:
    return event.activity_task_scheduled_event_attributes.input.ByteSize()


async def main(address: str) -> None:
    """Play all scenes at once."""
    logging.disable(logging.CRITICAL)
    models = {scene: Scripted(*script) for scene, (_, _, script) in SCENES.items()}
    factories: dict[str, Any] = {
        scene: (lambda model=model: model) for scene, model in models.items() if scene != "unknown model"
    }
    client = await Client.connect(address, plugins=[StrandsPlugin(models=factories)])
    queue = f"behaviours-{uuid.uuid4()}"
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[SceneWorkflow],
        activities=[counts, raises, dawdles, audits],
        graceful_shutdown_timeout=timedelta(microseconds=1),
    )

    async def play(scene: str) -> dict[str, Any]:
        handle = await client.start_workflow(
            SceneWorkflow.run, scene, id=f"{scene}-{uuid.uuid4()}", task_queue=queue
        )
        return await see(handle, scene, models[scene])

    async with worker:
        seen = dict(zip(SCENES, await asyncio.gather(*map(play, SCENES)), strict=True))
    sys.stdout.write(f"{json.dumps(seen)}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
