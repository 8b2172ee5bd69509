"""A chat in a terminal, or over a pipe: reads lines, sends them as turns, obeys commands."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from importlib.metadata import entry_points
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import FailureError, TemporalError
from temporalio.service import RPCError

from .. import ConversationClient
from .._errors import ConversationClosedError, ConversationError, did_you_mean
from .._wire.chat_screen import CHAT_PARTS, ChatPart
from ._chat_screen import Lines, Screen, shown_message
from ._control import RunningDev
from ._leaving import Leaving
from ._pollers import has_poller
from ._troubles import trouble_of

_POLL = 0.5  # seconds between two looks at the state of a turn
_IDLE_POLL = 2.0  # the same while no turn of this chat runs
_PATIENCE = 10.0  # seconds without a worker before the person is told

HELP = """\
/cancel        stop the turn that runs
/history       the messages so far
/kill-worker   kill the worker of `strands-temporal dev`: another one goes on
/close         end the conversation
/quit          {leaving} (Ctrl+D does the same)"""


class Chat:
    """One chat, until the person leaves or the conversation ends.

    Args:
        client: The Temporal client.
        workflow_id: The conversation's workflow.
        task_queue: Its task queue, to see whether a worker polls it.
        screen: Where it is shown.
        dev: The `strands-temporal dev` that runs the worker, if one does on this machine.
        leaving: What becomes of the conversation when the person leaves.
        timeout: Seconds that the workflow may take to answer a query.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        task_queue: str,
        screen: Screen,
        dev: RunningDev | None,
        leaving: Leaving,
        timeout: float,
    ) -> None:
        self._client = client
        self._id = workflow_id
        self._task_queue = task_queue
        self._screen = screen
        self._dev = dev
        self._about_leaving = leaving
        self._timeout = timeout
        self._conversation = ConversationClient(client, workflow_id)
        self._turns: set[asyncio.Task[None]] = set()
        self._sent = 0
        self._wake = asyncio.Event()
        self._leaving: int | None = None
        self._end: asyncio.Task[Any] | None = None
        self._cancelling: asyncio.Future[None] | None = None
        screen.on_question = self._wake.set
        self._commands: dict[str, Callable[[], Awaitable[None]]] = {
            "/cancel": self._cancel,
            "/history": self._history,
            "/kill-worker": self._kill_worker,
            "/close": self._close,
            "/quit": self._quit,
            "/help": self._help,
        }

    async def run(self) -> int:
        """Chat. Return the exit code."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupted)
        self._end = asyncio.create_task(self._follow_end())
        helpers = [asyncio.create_task(self._follow(point.load())) for point in _parts()]
        helpers.append(asyncio.create_task(self._watch()))
        try:
            await self._read(Lines())
        finally:
            for task in (*helpers, *self._turns, self._end):
                task.cancel()
            await asyncio.gather(*helpers, *self._turns, self._end, return_exceptions=True)
        if self._leaving:
            return self._leaving
        return 1 if self._screen.failures and not self._screen.is_interactive else 0

    async def _read(self, lines: Lines) -> None:
        typed = asyncio.create_task(lines.get())
        self._screen.prompt()
        try:
            while self._leaving is None:
                is_free = self._screen.is_interactive or not self._turns or self._screen.has_question
                if typed.done() and is_free:
                    line = typed.result()
                    if line is None:
                        await self._at_end_of_input()
                        return
                    typed = asyncio.create_task(lines.get())
                    await self._obey(line)
                    continue
                self._wake.clear()
                waking = asyncio.create_task(self._wake.wait())
                waiting = {waking} if typed.done() else {waking, typed}
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
            if self._leaving == 0 and typed.done() and typed.result():
                self._screen.error(f"Not sent: {typed.result()}")  # the conversation ended before
        finally:
            typed.cancel()

    async def _at_end_of_input(self) -> None:
        """Leave. Without a terminal no turn runs now, unless it waits for a person."""
        if self._screen.has_question:
            self._screen.error("The agent waits for a person, and the input has ended")
        await self._quit()

    async def _obey(self, line: str) -> None:
        command, text = line.strip(), line
        if command.startswith("//"):
            text = line.replace("//", "/", 1)
        elif command.startswith("/"):
            if known := self._commands.get(command):
                await self._guarded(known())
            else:
                meant = did_you_mean(command, self._commands)
                self._screen.note(
                    f"There is no {command}.{meant} For a text that begins so, write /{command}"
                )
                await self._help()
            if not self._turns and not self._screen.has_question and self._leaving is None:
                self._screen.prompt()
            return
        if self._screen.has_question:
            self._screen.answer_question(text)
        elif command:
            turn = asyncio.create_task(self._turn(text))
            self._turns.add(turn)
            turn.add_done_callback(self._turn_ended)
        elif not self._turns:
            self._screen.prompt()

    async def _turn(self, text: str) -> None:
        self._sent += 1
        try:
            result = await self._conversation.send(text)
        except ConversationClosedError:
            self._screen.error("The conversation has ended, and did not answer this")
        except (ConversationError, TemporalError, RPCError) as error:
            self._screen.error(f"No answer: {_cause(error)}")
        else:
            await self._screen.answer(result)

    def _turn_ended(self, turn: "asyncio.Task[None]") -> None:
        self._turns.discard(turn)
        self._wake.set()
        if not turn.cancelled() and (error := turn.exception()):
            self._screen.error(f"No answer: {type(error).__name__}: {error}")
        if not self._turns and self._leaving is None and not turn.cancelled():
            self._screen.prompt()

    async def _watch(self) -> None:
        """Look at what the conversation waits for, and tell the person once."""
        told, without_worker = "", 0.0
        while True:
            await asyncio.sleep(_POLL if self._turns else _IDLE_POLL)
            news = None
            try:
                if self._turns:
                    news = await trouble_of(self._client, self._id, self._timeout)
                state = await asyncio.wait_for(self._conversation.state(), self._timeout)
            except (asyncio.TimeoutError, TemporalError, RPCError):
                without_worker += self._timeout
                if self._turns and without_worker >= _PATIENCE and not await self._has_worker():
                    news = f"No worker answers on task queue {self._task_queue!r}. The message waits for one"
            else:
                without_worker = 0.0
                self._screen.set_waits_for_people(state.status == "waiting_for_people")
                if state.status == "waiting_for_client":
                    news = (
                        "The agent waits for a client to run this tool: ClientTools(client, "
                        f'"{self._id}", ...).serve() (docs/client-tools.md)'
                    )
            if news and news != told:
                told = news
                self._screen.note(news)

    async def _has_worker(self) -> bool:
        with contextlib.suppress(RPCError):
            return await has_poller(self._client, self._task_queue)
        return False

    async def _follow(self, part: "Callable[[Client, str], ChatPart]") -> None:
        try:
            await part(self._client, self._id).follow(self._screen)
        except Exception as error:  # noqa: BLE001  # of a sibling: the chat goes on without it
            self._screen.note(f"{getattr(part, '__module__', part)}: {type(error).__name__}: {error}")

    async def _follow_end(self) -> None:
        """Leave when the conversation ends."""
        handle = self._client.get_workflow_handle(self._id)
        try:
            end: Any = await handle.result()
        except WorkflowFailureError as error:
            self._screen.error(f"The conversation failed: {_cause(error)}")
            self._leaving = 1
        except RPCError as error:
            self._screen.error(f"The server is gone: {error}")
            self._leaving = 1
        else:
            reason = end.get("reason") if isinstance(end, dict) else None  # a workflow of the user's own
            if self._turns:  # their answers are on the way
                await asyncio.wait(set(self._turns), timeout=self._timeout)
            self._screen.note(f"The conversation has ended{f' ({reason})' if reason else ''}.")
            self._leaving = 0
        self._wake.set()

    def _interrupted(self) -> None:
        """Ctrl+C stops the turn that runs; without one, or again, it leaves."""
        is_cancelling = self._cancelling is not None and not self._cancelling.done()
        if self._turns and self._screen.is_interactive and not is_cancelling:
            self._cancelling = asyncio.ensure_future(self._guarded(self._cancel()))
            return
        self._leaving = 130
        self._wake.set()

    async def _guarded(self, command: Awaitable[Any]) -> None:
        try:
            await command
        except (ConversationError, TemporalError, RPCError, OSError, asyncio.TimeoutError) as error:
            self._screen.note(f"That did not work: {_cause(error)}")

    async def _cancel(self) -> None:
        stopped = await asyncio.wait_for(self._conversation.cancel_turn(), self._timeout)
        if not stopped:
            self._screen.note("No turn runs.")

    async def _history(self) -> None:
        for message in await asyncio.wait_for(self._conversation.messages(), self._timeout):
            for line in shown_message(dict(message)):
                self._screen.note(line)

    async def _kill_worker(self) -> None:
        if self._dev is None:
            self._screen.note(
                "/kill-worker needs a `strands-temporal dev` on this machine that runs the worker"
            )
            return
        killed = await self._dev.kill_worker()
        self._screen.note(
            f"SIGKILL: worker process {killed} is dead. Another one starts and goes on."
            if killed
            else "No worker runs now. One is being started."
        )

    async def _close(self) -> None:
        await self._conversation.close()
        if self._end:
            await asyncio.wait({self._end}, timeout=self._timeout)
        if self._leaving is None:
            self._leaving = 0
            self._screen.note("The conversation ends after the turns that were sent before.")
        self._wake.set()

    async def _quit(self) -> None:
        self._leaving = 0
        if self._screen.is_new and not self._sent:
            await self._guarded(self._conversation.close())  # nobody would look for an empty conversation
        else:
            self._screen.note(self._about_leaving.note_for(self._id))
        self._wake.set()

    async def _help(self) -> None:
        for line in HELP.format(leaving=self._about_leaving.help).splitlines():
            self._screen.note(line)


def _parts() -> Any:
    return sorted(entry_points(group=CHAT_PARTS), key=lambda point: point.name)


def _cause(error: BaseException) -> str:
    """Return the text of the innermost cause."""
    if isinstance(error, WorkflowUpdateFailedError | WorkflowFailureError):
        error = error.cause
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    return str(error) or type(error).__name__
