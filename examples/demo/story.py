"""The show: a conversation, a worker killed in the middle of an answer, and the history of both."""

import asyncio
import getpass
import time
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from examples.demo.proof import Proof
from examples.demo.screen import Screen
from examples.demo.stage import NotShownError, Stage, Worker, dev_arguments, typed
from examples.demo.talk import Answer, Talk

QUESTIONS = (
    "What is the capital of France?",
    "What is the capital of Italy?",
    "What is the largest ocean on Earth?",
)
"""Questions that even a model of 135 million parameters can answer."""

TOOL_QUESTION = (
    "How often does the letter r occur in strawberry, and what time is it in Tokyo now? Use your tools."
)
APPROVAL_QUESTION = "Delete the thing called 'old-backup', please."

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
    async with Talk.begun(setting) as talk:
        if talk.url:
            screen.link("watch it live", talk.url)
        screen.act(2, "A durable conversation")
        screen.note("The agent lives in a workflow: each turn is an update, each model call an activity.")
        await converse(screen, setting, talk)

        screen.act(3, "The worker dies in the middle of an answer")
        screen.note("The workflow's code and the model call run in that process. Nothing warns it.")
        kill = await kill_and_go_on(screen, setting, talk)
        if not setting.own_server:
            await talk.close()

        screen.act(4, "What the history proves")
        await prove(screen, setting, talk, kill)
        screen.act(5, "Go on")
        farewell(screen, setting, talk)


async def converse(screen: Screen, setting: Stage, talk: Talk) -> None:
    """Ask the questions. If the model can be trusted with tools, ask two that need them."""
    for question in QUESTIONS:
        await ask(screen, talk, question)
    if not setting.model.calls_tools:
        screen.note("(No tools and no approval: a model of this size cannot be trusted to call tools.)")
        return
    await ask(screen, talk, TOOL_QUESTION)
    await ask_and_approve(screen, talk, APPROVAL_QUESTION)


async def ask(screen: Screen, talk: Talk, question: str) -> None:
    """Ask one question and show the answer when it arrives."""
    screen.question(question)
    async with screen.waiting("thinking"):
        answer = await talk.ask(question)
    screen.answer(answer.text, answer.seconds)


async def ask_and_approve(screen: Screen, talk: Talk, question: str) -> None:
    """Ask for something that a person has to approve, and be that person.

    Raises:
        NotShownError: The agent did not ask.
    """
    screen.question(question)
    asked = time.monotonic()
    async with talk.asking(question) as turn:
        async with screen.waiting("thinking"):
            pending = await talk.question(turn)
        if pending is None:
            raise NotShownError(f"The agent asked nobody. It says: {(await turn).text}")
        screen.moment(time.monotonic() - asked, f"the agent waits for a person: {pending.question}")
        await talk.approve(pending, by=getpass.getuser())
        screen.moment(time.monotonic() - asked, "approved, from another process")
        async with screen.waiting("thinking"):
            answer = await turn
    screen.answer(answer.text, answer.seconds)


async def kill_and_go_on(screen: Screen, setting: Stage, talk: Talk) -> Kill:
    """Ask for something long, kill the worker during the model call, and get the answer from the next one.

    Raises:
        NotShownError: Every call ended before the kill came.
    """
    for question in LONG_QUESTIONS:
        before = (await talk.history()).events
        killed = setting.worker
        screen.question(question)
        asked = time.monotonic()
        async with talk.asking(question) as turn:
            interrupted = await kill_during_model_call(screen, setting, talk, turn, asked)
            answer = await follow(screen, talk, turn, asked)
        screen.answer(answer.text, answer.seconds)
        if interrupted:
            return Kill(before, question, killed, setting.worker)
        screen.note("The call ended before the kill could interrupt it. Once more.")
    raise NotShownError(
        f"{len(LONG_QUESTIONS)} times the model call ended before the kill could interrupt it"
    )


async def kill_during_model_call(
    screen: Screen, setting: Stage, talk: Talk, turn: "asyncio.Task[Answer]", asked: float
) -> bool:
    """Kill the worker once it runs the turn's model call. Return whether that interrupted the call.

    Raises:
        NotShownError: No worker began the call.
    """
    async with screen.waiting("waiting for the model call to start"):
        try:
            running = await asyncio.wait_for(talk.model_call_running(turn), _RUNNING_TIMEOUT)
        except asyncio.TimeoutError:
            raise NotShownError(f"No worker began the model call within {_RUNNING_TIMEOUT:.0f} s") from None
        await asyncio.wait([turn], timeout=_INTO_THE_CALL)
    if running is None or turn.done():
        return False
    setting.kill_worker()
    screen.moment(time.monotonic() - asked, f"SIGKILL: {setting.worker.name} is dead", "bold red")
    pending = await talk.pending_model_call()  # still pending at the server: it cannot have ended
    async with screen.waiting("another worker starts"):
        worker = await setting.next_worker()
    screen.moment(time.monotonic() - asked, f"{worker.name} is ready")
    return pending is not None and pending.activity_id == running.activity_id


async def follow(screen: Screen, talk: Talk, turn: "asyncio.Task[Answer]", asked: float) -> Answer:
    """Wait for the answer and say when the server hands the call to the new worker."""
    async with screen.waiting("the server waits for a heartbeat of the dead worker"):
        again = await talk.model_call_running(turn, attempt=2)
    if again:
        where = Worker.of(again.last_worker_identity).name
        screen.moment(time.monotonic() - asked, f"the same call again, attempt {again.attempt}, on {where}")
    async with screen.waiting("thinking"):
        return await turn


async def prove(screen: Screen, setting: Stage, talk: Talk, kill: Kill) -> None:
    """Show the history as `strands-temporal history` does, and check the show's claims about it.

    Raises:
        NotShownError: The history contradicts a claim.
    """
    show_history = ("history", talk.id)
    history = await talk.history()
    async with screen.waiting("reading and replaying the history"):
        shown, read, seconds = await asyncio.gather(
            setting.command(*show_history, columns=screen.console.width - 2),
            setting.command(*show_history, "--json"),
            _replayed(talk, history),
        )
    screen.command(typed(*show_history), shown)
    proof = Proof(read, history.events)
    if list(history.events[: len(kill.before)]) != list(kill.before):
        raise NotShownError("The history before the kill is not what it was")
    for claim in proof.of_the_kill(kill.before[-1].event_id, kill.question, kill.killed, kill.successor):
        screen.proven(claim)
    if setting.model.calls_tools:
        screen.proven(proof.of_the_tools("letter_counter", "current_time", "delete_thing"))
    screen.proven(f"Replayed all {len(history.events)} events in {seconds:.1f} s without calling the model.")


async def _replayed(talk: Talk, history: WorkflowHistory) -> float:
    started = time.monotonic()
    await talk.replay(history)
    return time.monotonic() - started


def farewell(screen: Screen, setting: Stage, talk: Talk) -> None:
    """Say how to go on with the same conversation."""
    if setting.own_server:
        screen.note(
            "Server, model and worker end now, and the conversation stays in a file. Start all of it again:"
        )
        screen.command(typed(*dev_arguments(setting.model)))
        screen.note("and go on where it ended, in another terminal:")
        screen.command(typed("chat", "--workflow-id", talk.id))
    else:
        screen.note("The server keeps the history for a while:")
        screen.command(typed("history", talk.id))
    screen.say("[dim]Type in a chat of your own, and kill its worker:[/] [bold]make demo CHAT=1[/]")
