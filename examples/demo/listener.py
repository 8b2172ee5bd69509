"""Shows the agent's answer while it arrives: the workflow's stream, turn by turn."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager

from examples.demo.screen import Screen
from strands_temporal_streaming import (
    AgentEvent,
    AttemptFailed,
    AttemptRestarted,
    End,
    TextDelta,
    TextRedacted,
    ToolCall,
    TurnEnd,
)

_LAG = 5.0  # seconds by which the stream's end may lag behind the answer
_CANCEL_TIMEOUT = 5.0  # seconds


class Listener:
    """Reads the stream of one chat.

    Args:
        screen: Where to show it.
        stream: An `AgentStream`, which resumes where its reader stopped.

    Attributes:
        spoke: Whether anything was heard in this turn.
    """

    def __init__(self, screen: Screen, stream: AsyncIterable[AgentEvent]) -> None:
        self.spoke = asyncio.Event()
        self._screen = screen
        self._stream = stream
        self._behind = 0  # number of turns asked minus turn ends read
        self._call = ""

    @asynccontextmanager
    async def turn(self) -> "AsyncGenerator[asyncio.Task[None]]":
        """Show one turn. The task ends with the turn's output and does not outlive the block."""
        self.spoke.clear()
        self._behind += 1
        reader = asyncio.create_task(self._read())
        try:
            yield reader
        finally:
            reader.cancel()
            await asyncio.wait([reader], timeout=_CANCEL_TIMEOUT)
            if reader.done() and not reader.cancelled():
                reader.exception()  # already known: `catch_up` has shown it, or the turn failed

    async def catch_up(self, reader: "asyncio.Task[None]") -> None:
        """Wait briefly for the rest of an answered turn."""
        await asyncio.wait([reader], timeout=_LAG)
        if reader.done() and (error := reader.exception()):
            # Whatever the error is, the answer is there, and the screen shows the part that was not heard.
            self._screen.note(f"(The stream cannot be read: {error or type(error).__name__})")

    async def _read(self) -> None:
        async for event in self._stream:
            match event:
                case TurnEnd():
                    self._behind -= 1
                    if not self._behind:
                        return
                case End():
                    return
                case _ if self._behind == 1:
                    self._show(event)
                case _:  # the rest of an earlier turn, whose answer is already on the screen
                    pass

    def _show(self, event: AgentEvent) -> None:
        match event:
            case TextDelta(text=text, call=call):
                if call != self._call:
                    self._screen.end_speech()
                self._call = call
                self._screen.hear(text)
                self.spoke.set()
            case AttemptRestarted():
                self._screen.end_speech("(that was cut off; the answer starts again)")
            case AttemptFailed(error=error):
                self._screen.end_speech(f"({error}: what was said does not count)")
            case TextRedacted(text=text):
                self._screen.end_speech("(withdrawn)")
                self._screen.hear(text)
            case ToolCall(name=name):
                self._screen.end_speech()
                self._screen.note(f"uses {name}")
            case _:
                pass
