"""The terminal of `strands-temporal chat`: what the person types, and what the conversation says."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from .._wire.conversations import TurnResult
from ._output import plain, say, say_json
from ._texts import brief, cut

_CATCH_UP = 1.5
"""Seconds to wait for the end of the streamed text after the answer has come."""


class Lines:
    """The lines of standard input. None follows the last one.

    A daemon thread reads, because a read from a terminal cannot be cancelled and must not delay the exit.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="keyboard", daemon=True).start()

    async def get(self) -> str | None:
        """Return the next line, or None after the last one, again and again."""
        line = await self._queue.get()
        if line is None:
            self._queue.put_nowait(None)
        return line

    def _read(self) -> None:
        try:
            with open(0, "rb", buffering=0, closefd=False) as keyboard:  # a descriptor
                while line := keyboard.readline():
                    self._put(line.decode(errors="replace").rstrip("\r\n"))
        except OSError:  # no standard input, or a terminal that was closed
            pass
        self._put(None)

    def _put(self, line: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
        except RuntimeError:  # the chat has ended
            return


class Screen:
    """Shows a chat. A `ChatScreen` for parts.

    On a terminal it shows text as it arrives. Into a pipe, standard output gets the answers alone, each with
    a line end; everything else goes to standard error. With `json`, each answer is a JSON object.

    Args:
        json: Whether to print JSON.
        name: What to call the agent.
        is_new: Whether the chat has just begun.
    """

    def __init__(self, *, json: bool, name: str, is_new: bool) -> None:
        self._json = json
        self._name = name
        self.is_new = is_new
        self.is_interactive = sys.stdin.isatty() and sys.stdout.isatty() and not json
        self.is_live = sys.stdout.isatty() and not json
        self.failures = 0
        self._people = asyncio.Event()
        self._question: asyncio.Future[str | None] | None = None
        self._asking = asyncio.Lock()
        self._heard = asyncio.Event()  # something was streamed
        self._message = ""  # text of the message that is being streamed, or of the last one
        self._is_open = False  # the cursor stands behind a piece of text
        self._is_ended = True  # the message of `_message` has ended
        self._follows = False  # a part tells the ends of turns
        self._turn_has_ended = False  # and nothing was streamed since then
        self._turn = 0  # the last turn whose answer was shown
        self.on_question: Callable[[], None] = lambda: None

    def text(self, piece: str) -> None:
        """See `ChatScreen`."""
        if not piece or not self.is_live:
            return
        if self._is_ended:
            self._message, self._is_ended = "", False
        if not self._is_open:
            self._write(self._label())
            self._is_open = True
        self._turn_has_ended = False  # it went on, after a question
        self._message += piece
        self._write(plain(piece.replace("\r\n", "\n")))
        self._heard.set()

    def message_end(self) -> None:
        """See `ChatScreen`."""
        self._break()
        self._is_ended = True
        self._heard.set()

    def follows_turns(self, follows: bool) -> None:
        """See `ChatScreen`."""
        self._follows = follows
        self._heard.set()

    def turn_end(self) -> None:
        """See `ChatScreen`."""
        self._turn_has_ended = True
        self._heard.set()

    def restart(self) -> None:
        """See `ChatScreen`."""
        if self._message and not self._is_ended:
            self.note("(the call is made again, and the answer with it)")
            self._message = ""

    def note(self, line: str) -> None:
        """See `ChatScreen`."""
        self._break()
        if self.is_interactive:
            self._write(f"\x1b[2m{plain(line)}\x1b[0m\n")
        else:
            say(line, file=sys.stderr)

    def error(self, line: str) -> None:
        """Show why something did not work. The exit code of a chat without a terminal is then 1."""
        self.failures += 1
        self._break()
        if self.is_interactive:
            self._write(f"\x1b[31m{plain(line)}\x1b[0m\n")
        else:
            say(line, file=sys.stderr)

    def prompt(self) -> None:
        """Invite the person to type."""
        if self.is_interactive:
            self._break()
            self._write("\x1b[1myou>\x1b[0m ")

    async def answer(self, result: TurnResult) -> None:
        """Show an answer, unless it has just been streamed."""
        if self._json:
            say_json(asdict(result))
            return
        if result.turn == self._turn and self.is_interactive:
            return  # of two messages that one turn answered: a steered one
        self._turn = result.turn
        if not result.interrupts:
            await self._catch_up(result.text)
        self._turn_has_ended = False
        if self._message.strip() != result.text.strip() and result.text.strip():
            self._break()
            self._write(self._label() + plain(result.text.strip().replace("\r\n", "\n")) + "\n")
        self.message_end()
        self._message = ""
        if result.stop_reason not in ("end_turn", "stop_sequence"):
            self.note(f"(stop reason: {result.stop_reason})")
        for question in result.interrupts:
            self.note(f"The agent asks and nothing in the workflow answers: {question}")

    async def _catch_up(self, text: str) -> None:
        """Wait until all of the turn was streamed: the answer may come before the stream has brought it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CATCH_UP
        while (left := deadline - loop.time()) > 0:
            is_partial = bool(self._message) and self._message.strip() != text.strip()
            if not is_partial and (self._turn_has_ended or not self._follows):
                return
            self._heard.clear()
            try:
                await asyncio.wait_for(self._heard.wait(), left)
            except asyncio.TimeoutError:
                return

    async def waits_for_people(self) -> None:
        """See `ChatScreen`."""
        await self._people.wait()

    def set_waits_for_people(self, waits: bool) -> None:
        """Tell the parts whether the conversation waits for people. An open question goes away with it."""
        if waits:
            self._people.set()
        else:
            self._people.clear()
            self.answer_question(None)

    async def ask(self, lines: Sequence[str], prompt: str) -> str | None:
        """See `ChatScreen`."""
        async with self._asking:
            if not self._people.is_set():
                return None
            for line in lines:
                self.note(line)
            self._question = asyncio.get_running_loop().create_future()
            self.on_question()
            if self.is_interactive:
                self._write(f"\x1b[1m{plain(prompt)}\x1b[0m ")
            else:
                say(prompt, file=sys.stderr)
            try:
                line = await self._question
                if line is None and self.is_interactive:
                    self._write("\n")  # the question went away: it was answered elsewhere
                return line
            finally:
                self._question = None

    @property
    def has_question(self) -> bool:
        """Whether the next line answers a question."""
        return self._question is not None and not self._question.done()

    def answer_question(self, line: str | None) -> None:
        """Give a line to the question, if there is one."""
        if self._question is not None and not self._question.done():
            self._question.set_result(line)

    def _label(self) -> str:
        return f"\x1b[1m{plain(self._name)}>\x1b[0m " if self.is_interactive else ""

    def _break(self) -> None:
        if self._is_open:
            self._write("\n")
            self._is_open = False

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


def shown_message(message: dict[str, Any]) -> list[str]:
    """Return the lines that show a message of the history."""
    lines: list[str] = []
    for block in message.get("content", []):
        if "text" in block:
            who = "you" if message.get("role") == "user" else "agent"
            lines.append(f"{who}: {block['text']}")
        elif "toolUse" in block:
            lines.append(
                f"  calls {block['toolUse'].get('name')} {cut(brief(block['toolUse'].get('input')))}"
            )
        elif "toolResult" in block:
            result = block["toolResult"]
            lines.append(f"  {result.get('status')}: {cut(brief(result.get('content')))}")
        else:
            lines.append(f"  ({', '.join(block)})")
    return lines
