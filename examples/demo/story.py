"""The show: a conversation, a worker killed in the middle of an answer, and the history of both."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from strands.types.content import Messages
from temporalio.api.history.v1 import HistoryEvent

from examples.demo.history import ModelCallRecord, completed_activities, event_counts, model_calls
from examples.demo.screen import Screen
from examples.demo.settings import NotShownError
from examples.demo.stage import Answer, Conversation, Stage, Worker

QUESTIONS = (
    "What is the capital of France?",
    "What is the capital of Italy?",
    "What is the largest ocean on Earth?",
)
"""Questions that even a model of 135 million parameters can answer."""

TOOL_QUESTION = (
    "How often does the letter r occur in strawberry, and what time is it in Tokyo now? Use your tools."
)

LONG_QUESTIONS = (
    "Write a short story about a lighthouse keeper.",
    "Write a short story about a ship in a storm.",
    "Write a short story about a lost letter.",
    "Write a short story about an old clock.",
    "Write a short story about a winter garden.",
)
"""One is enough. Another one is asked if the kill comes too late."""

_INTO_THE_CALL = 0.2  # seconds from the start of a model call to the kill
_RUNNING_TIMEOUT = 60.0  # seconds for a model call to start


@dataclass(frozen=True)
class Kill:
    """A worker killed in the middle of a model call.

    Attributes:
        before: The history before the question.
        question: The question.
        killed: The worker that ran the call.
        successor: The worker that answered.
    """

    before: Sequence[HistoryEvent]
    question: str
    killed: Worker
    successor: Worker


async def show(screen: Screen, setting: Stage) -> None:
    """Run the whole show on a stage that is set up.

    Raises:
        NotShownError: Something that should have happened did not.
    """
    conversation = await setting.start_conversation()
    link(screen, setting, conversation)

    screen.act(2, "A durable conversation")
    screen.note("The agent lives in a workflow: each turn is an update, each model call an activity.")
    await converse(screen, setting, conversation)

    screen.act(3, "The worker dies in the middle of an answer")
    screen.note("The workflow's code and the model call run in that process. Nothing warns it.")
    kill = await kill_and_go_on(screen, setting, conversation)
    await conversation.end()

    screen.act(4, "What the history proves")
    await prove_kill(screen, conversation, kill)
    await prove_replay(screen, conversation)
    farewell(screen, setting, conversation)


def link(screen: Screen, setting: Stage, conversation: Conversation) -> None:
    """Show where to watch."""
    if ui := setting.server.ui_url:
        screen.link("watch it live", conversation.url(ui))


async def converse(screen: Screen, setting: Stage, conversation: Conversation) -> None:
    """Ask the questions. If the model can be trusted with tools, ask one that needs them."""
    for question in QUESTIONS:
        await ask(screen, conversation, question)
    if not setting.model.calls_tools:
        screen.note("(No tool turn: a model of this size cannot be trusted to call tools.)")
        return
    await ask(screen, conversation, TOOL_QUESTION)
    worked = _tools_that_worked(await conversation.messages())
    if missing := {"current_time", "letter_counter"} - worked:
        raise NotShownError(f"The model answered without a good result of {' and '.join(sorted(missing))}")
    if not completed_activities((await conversation.history()).events)["current_time"]:
        raise NotShownError("current_time did not run as an activity")
    screen.proven("Tools: letter_counter ran in the workflow, current_time ran as an activity.")


def _tools_that_worked(messages: Messages) -> set[str]:
    blocks = [block for message in messages for block in message["content"]]
    names = {
        block["toolUse"]["toolUseId"]: block["toolUse"]["name"] for block in blocks if "toolUse" in block
    }
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    return {names[result["toolUseId"]] for result in results if result["status"] == "success"}


async def ask(screen: Screen, conversation: Conversation, question: str) -> None:
    """Ask one question and show the answer when it arrives."""
    screen.question(question)
    async with screen.waiting("thinking"):
        answer = await conversation.ask(question)
    screen.answer(answer.text, answer.seconds)


async def kill_and_go_on(screen: Screen, setting: Stage, conversation: Conversation) -> Kill:
    """Ask for something long, kill the worker during the model call, start another, and get the answer.

    Raises:
        NotShownError: Every call ended before the kill came.
    """
    for question in LONG_QUESTIONS:
        before = (await conversation.history()).events
        killed = setting.worker
        screen.question(question)
        asked = time.monotonic()
        async with conversation.asking(question) as turn:
            interrupted = await kill_during_model_call(screen, setting, conversation, turn, asked)
            if setting.worker_is_dead:
                await replace_worker(screen, setting, asked)
            answer = await follow(screen, setting, conversation, turn, asked)
        screen.answer(answer.text, answer.seconds)
        if interrupted:
            return Kill(before, question, killed, setting.worker)
        screen.note("The call ended before the kill could interrupt it. Once more.")
    raise NotShownError(
        f"{len(LONG_QUESTIONS)} times the model call ended before the kill could interrupt it"
    )


async def kill_during_model_call(
    screen: Screen, setting: Stage, conversation: Conversation, turn: "asyncio.Task[Answer]", asked: float
) -> bool:
    """Kill the worker once it runs the turn's model call. Return whether that interrupted the call.

    Raises:
        NotShownError: No worker began the call.
    """
    async with screen.waiting("waiting for the model call to start"):
        try:
            running = await asyncio.wait_for(conversation.model_call_running(turn), _RUNNING_TIMEOUT)
        except asyncio.TimeoutError:
            raise NotShownError(f"No worker began the model call within {_RUNNING_TIMEOUT:.0f} s") from None
        await asyncio.wait([turn], timeout=_INTO_THE_CALL)
    if running is None or turn.done():
        return False
    await setting.kill_worker()
    screen.moment(time.monotonic() - asked, f"SIGKILL: {setting.worker.name} is dead", "bold red")
    pending = await conversation.pending_model_call()  # still pending at the server: it cannot have ended
    return pending is not None and pending.activity_id == running.activity_id


async def replace_worker(screen: Screen, setting: Stage, asked: float) -> None:
    """Start the next worker."""
    async with screen.waiting("starting another worker"):
        worker = await setting.start_worker()
    screen.moment(time.monotonic() - asked, f"{worker.name} is ready")


async def follow(
    screen: Screen, setting: Stage, conversation: Conversation, turn: "asyncio.Task[Answer]", asked: float
) -> Answer:
    """Wait for the answer and say when the server hands the call to the new worker."""
    seconds = setting.heartbeat_timeout.total_seconds()
    async with screen.waiting(f"the server waits {seconds:g} s for a heartbeat of the dead worker"):
        again = await conversation.model_call_running(turn, attempt=2)
    if again:
        where = again.last_worker_identity
        screen.moment(time.monotonic() - asked, f"the same call again, attempt {again.attempt}, on {where}")
    async with screen.waiting("thinking"):
        return await turn


async def prove_kill(screen: Screen, conversation: Conversation, kill: Kill) -> None:
    """Show the model calls and check the show's claims about them.

    Raises:
        NotShownError: The history contradicts a claim.
    """
    events = (await conversation.history()).events
    calls = await model_calls(events, conversation.client.data_converter)
    screen.calls(calls)
    earlier = [call for call in calls if call.event_id <= kill.before[-1].event_id]
    interrupted = next((call for call in calls if call not in earlier), None)
    if interrupted is None or interrupted.question != kill.question:
        raise NotShownError(f"The history holds no completed model call for {kill.question!r}")
    if list(events[: len(kill.before)]) != list(kill.before):
        raise NotShownError("The history before the kill is not what it was")
    if repeated := [call for call in earlier if call.worker == kill.successor.name]:
        raise NotShownError(f"The model call of event {repeated[0].event_id} was made again")
    if interrupted.attempt < 2 or interrupted.worker == kill.killed.name:
        raise NotShownError(
            f"The killed call is attempt {interrupted.attempt} on {interrupted.worker}: it was not retried"
        )
    screen.proven(_sentence(earlier))
    screen.proven(
        f"The interrupted one ran as attempt {interrupted.attempt} on {interrupted.worker}; "
        f"attempt {interrupted.attempt - 1} had ended with {interrupted.failure!r}."
    )


def _sentence(earlier: Sequence[ModelCallRecord]) -> str:
    by_worker = Counter(call.worker for call in earlier)
    who = " and ".join(f"{count} by {worker}" for worker, count in by_worker.items())
    if len(by_worker) == 1:
        who = f"all by {earlier[0].worker}"
    return f"{len(earlier)} model calls were completed before the kill, {who}: none was made again."


async def prove_replay(screen: Screen, conversation: Conversation) -> None:
    """Count the events and replay them."""
    history = await conversation.history()
    size = await conversation.history_bytes()
    counts = event_counts(history.events)
    screen.console.print()
    screen.say(f"[bold]{len(history.events)}[/] events, [bold]{size:,}[/] bytes:")
    screen.counts(counts)
    started = time.monotonic()
    async with screen.waiting("replaying"):
        await conversation.replay(history)
    seconds = time.monotonic() - started
    screen.proven(f"Replayed all {len(history.events)} events in {seconds:.1f} s without calling the model.")


def farewell(screen: Screen, setting: Stage, conversation: Conversation) -> None:
    """Say how to look at the history later."""
    screen.console.print()
    if ui := setting.server.ui_url:
        screen.link("Web UI", conversation.url(ui))
    if setting.server.pid is not None:
        screen.say("[dim]That page ends with the demo. While you chat it stays:[/] [bold]make demo CHAT=1[/]")
