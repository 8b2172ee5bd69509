"""`CHAT=1`: a person types, sees answers arrive, and may kill the worker in the middle of one."""

import asyncio
import sys
import threading
import time
from collections import deque

from examples.demo.history import model_calls
from examples.demo.listener import Listener
from examples.demo.screen import Screen
from examples.demo.settings import NotShownError
from examples.demo.stage import Answer, Conversation, Stage
from examples.demo.story import follow, kill_during_model_call, link, prove_replay, replace_worker
from strands_temporal_streaming import AgentStream

_FIRST_WORDS_TIMEOUT = 60.0  # seconds

HELP = """\
[bold]/kill QUESTION[/]  [dim]ask, and kill the worker in the middle of the model call[/]
[bold]/kill[/]           [dim]kill the worker now, also while it answers; another one starts[/]
[bold]/history[/]        [dim]the model calls so far[/]
[bold]/quit[/]           [dim]end the conversation (Ctrl+D does the same)[/]"""


async def chat(screen: Screen, setting: Stage) -> None:
    """Let a person talk to the agent until they have enough, then check the history.

    Raises:
        NotShownError: The history does not replay.
    """
    conversation = await setting.start_conversation(streaming=True)
    link(screen, setting, conversation)
    screen.act(2, "Your turn: type")
    screen.say(HELP)
    await _Chat(screen, setting, conversation).run()
    await conversation.end()
    screen.act(3, "What the history holds")
    await _show_calls(screen, conversation)
    await prove_replay(screen, conversation)


class _Chat:
    def __init__(self, screen: Screen, setting: Stage, conversation: Conversation) -> None:
        self._screen = screen
        self._setting = setting
        self._conversation = conversation
        self._listener = Listener(screen, AgentStream(conversation.client, conversation.handle.id))
        self._typed = _typed_lines()
        self._later: deque[str | None] = deque()  # lines that were typed during an answer

    async def run(self) -> None:
        while (line := await self._next_line()) not in (None, "/quit"):
            command, _, question = (line or "").partition(" ")
            if command == "/kill" and question:
                await self._turn(question, kill=True)
            elif command == "/kill":
                await self._kill_now(time.monotonic())
            elif command == "/history":
                await _show_calls(self._screen, self._conversation)
            elif command.startswith("/"):
                self._screen.say(HELP)
            elif line:
                await self._turn(line)

    async def _next_line(self) -> str | None:
        self._screen.prompt()
        line = self._later.popleft() if self._later else await self._typed.get()
        if line is None or not sys.stdin.isatty():
            self._screen.console.print(line or "", markup=False)  # a terminal has shown it already
        return line

    async def _turn(self, question: str, *, kill: bool = False) -> None:
        asked = time.monotonic()
        try:
            async with self._listener.turn() as reader, self._conversation.asking(question) as turn:
                if kill:
                    await self._first_words(turn, reader)
                    await self._kill_in_the_middle(turn, asked)
                else:
                    await self._listen(turn, asked)
                answer = await turn
                await self._listener.catch_up(reader)
        except NotShownError as error:
            self._screen.end_speech()
            self._screen.failed(str(error))
        else:
            self._screen.answer(answer.text, answer.seconds)

    async def _first_words(self, turn: "asyncio.Task[Answer]", reader: "asyncio.Task[None]") -> None:
        """Let the person see the beginning of the answer that the kill will interrupt."""
        spoke = asyncio.create_task(self._listener.spoke.wait())
        async with self._screen.waiting("thinking"):
            await asyncio.wait(
                {turn, reader, spoke}, timeout=_FIRST_WORDS_TIMEOUT, return_when=asyncio.FIRST_COMPLETED
            )
        spoke.cancel()

    async def _kill_in_the_middle(self, turn: "asyncio.Task[Answer]", asked: float) -> None:
        worker = self._setting.worker
        interrupted = await kill_during_model_call(
            self._screen, self._setting, self._conversation, turn, asked
        )
        if self._setting.worker_is_dead:
            await replace_worker(self._screen, self._setting, asked)
        if interrupted:
            await follow(self._screen, self._setting, self._conversation, turn, asked)
        else:
            self._screen.note(f"The call ended before the kill; {worker.name} interrupted nothing.")

    async def _listen(self, turn: "asyncio.Task[Answer]", asked: float) -> None:
        """Wait for the answer. Obey a `/kill` meanwhile; other lines wait until the answer is there."""
        while not turn.done():
            line = asyncio.create_task(self._typed.get())
            async with self._screen.waiting("thinking"):
                await asyncio.wait({turn, line}, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                line.cancel()
            elif line.result() == "/kill":
                await self._kill_now(asked)
            else:
                self._screen.pause_speech()
                self._later.append(line.result())

    async def _kill_now(self, asked: float) -> None:
        await self._setting.kill_worker()
        self._screen.moment(
            time.monotonic() - asked, f"SIGKILL: {self._setting.worker.name} is dead", "bold red"
        )
        await replace_worker(self._screen, self._setting, asked)


async def _show_calls(screen: Screen, conversation: Conversation) -> None:
    events = (await conversation.history()).events
    screen.calls(await model_calls(events, conversation.client.data_converter))
    if events[0].workflow_execution_started_event_attributes.continued_execution_run_id:
        screen.note("(The chat went on in a new run: earlier calls stand in the history of the run before.)")


def _typed_lines() -> "asyncio.Queue[str | None]":
    """Return a queue of what is typed, None at the end.

    A daemon thread reads, because a read from a terminal cannot be cancelled and must not delay the exit.
    """
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with open(0, "rb", buffering=0, closefd=False) as keyboard:
            while line := keyboard.readline():
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace").strip())
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, name="keyboard", daemon=True).start()
    return lines
