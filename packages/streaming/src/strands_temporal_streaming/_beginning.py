"""Where a reader begins that has a place of the workflow's log and no sequence number of the pieces.

It gets the pieces of the calls that start at or after the place, and all pieces of those that run there. The
pieces of calls that ended before the place are left out. The workflow's log tells which calls these are.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ._calls import Calls
from ._control import STARTED_METADATA
from ._life_types import ModelCallEnded, ModelCallFailed, ModelCallStarted
from ._log import Page
from ._reader import StreamReader
from ._snapshot import Present
from ._transport import Piece, PieceReader

CLOCKS = timedelta(minutes=1)
"""How far the clock of a transport may be from the Temporal server's."""


@dataclass
class Beginning:
    """Which pieces a reader gets.

    Attributes:
        told: Calls whose pieces it gets.
        left_out: Calls that ended before the place.
        begun: Those of `told` that started before it.
        since: Time of the place. Of calls that the log does not name it gets those that started since; "" for
            all.
        seq: Sequence number at which to begin; 0 for the first one that is kept.
        last: The last sequence number that pieces of `left_out` may have; None if it is not known.
        is_whole: Whether the reader gets the log from its first item. Then only pieces before its first one
            can be of other calls: those of a former workflow with the same id.
    """

    told: set[str]
    left_out: set[str]
    begun: frozenset[str]
    since: str
    seq: int = 0
    last: int | None = None
    is_whole: bool = False

    def read(self, page: Page, calls: Calls) -> None:
        """Learn the calls of a page behind the place."""
        for item in page.items:
            event = calls.of_workflow(item)
            if isinstance(event, ModelCallStarted):
                self.told.add(event.call)
                self.left_out.discard(event.call)  # once more, after a reset
            elif isinstance(event, (ModelCallEnded, ModelCallFailed)) and event.call not in self.left_out:
                self.told.add(event.call)

    def has(self, piece: Piece, *, is_read: bool) -> bool | None:
        """Tell whether the reader gets a piece; None if the log has to be read first.

        Args:
            piece: The piece.
            is_read: Whether the log was read after the piece came.
        """
        if piece.call in self.told:
            return True
        if piece.call in self.left_out:
            return False
        return not is_after(self.since, started(piece)) if is_read else None


async def whole(log: StreamReader, pieces: PieceReader, calls: Calls, page: Page) -> Beginning:
    """Return where a reader begins that gets the log from its first item.

    Args:
        log: Reads the log.
        pieces: Reads the pieces.
        calls: Decodes the items.
        page: The first page of the log. The reader learns from it, and from the next ones, which calls it
            gets.

    Raises:
        RPCError: See `StreamReader.pages`.
    """
    times = (event.time for item in page.items if (event := calls.of_workflow(item)) is not None)
    since = next(filter(None, times), "") or await log.begun_at()
    return Beginning(set(), set(), frozenset(), since, 0, await pieces.last_seq(), is_whole=True)


async def beginning(
    log: StreamReader,
    pieces: PieceReader,
    calls: Calls,
    offset: int,
    present: Callable[[], Awaitable[Present | None]],
) -> Beginning:
    """Find out where to begin.

    Args:
        log: Reads the log.
        pieces: Reads the pieces.
        calls: Decodes the items. It learns the places of the calls before the offset.
        offset: The place in the log.
        present: Returns the present state.

    Raises:
        RPCError: See `StreamReader.pages`.
        ValueError: See `StreamReader.pages`.
    """
    now: Present | None = None
    running: dict[str, str] = {}  # calls that run at the place, and when they started
    told, left_out = set[str](), set[str]()
    since, first_time, first = "", "", None
    async for page in log.kept(offset):
        if first is None and (first := page.start) > 0:
            now = await present()
        for item in page.items:
            event = calls.of_workflow(item)
            if event is None:
                continue
            first_time = first_time or event.time
            is_before = item.offset < offset
            since = event.time or since if is_before else since
            if isinstance(event, ModelCallStarted):
                told.add(event.call)
                left_out.discard(event.call)
                if is_before:
                    running[event.call] = event.time
                    calls.learn({event.call: (event.agent, event.path, event.turn)})
            elif isinstance(event, (ModelCallEnded, ModelCallFailed)):
                if is_before:
                    told.discard(event.call)
                    left_out.add(event.call)
                    running.pop(event.call, None)
                elif event.call not in told:  # its start is no longer in the log
                    told.add(event.call)
                    running[event.call] = ""
    for call in now.snapshot.calls if now is not None else ():
        if call.call not in told | left_out:
            told.add(call.call)
            running[call.call] = ""
    since = since or (first_time if first else await log.begun_at())
    begun = frozenset(running)
    times = [_time(one) for one in (since, *running.values())]
    is_whole = first == offset == 0
    seq = 0
    if all(times) and not is_whole:
        seq = await pieces.seq_at(min(one for one in times if one) - CLOCKS) or 0
    return Beginning(told, left_out, begun, since, seq, await pieces.last_seq(), is_whole)


def started(piece: Piece) -> str:
    """Return when the attempt started that a piece is of, by the Temporal server's clock."""
    return piece.payload.metadata.get(STARTED_METADATA, b"").decode()


def is_after(one: str, other: str) -> bool:
    """Tell whether a time is after another one, each ISO 8601 in UTC. False if one is not known."""
    first, second = _time(one), _time(other)
    return first is not None and second is not None and first > second


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # none, or of another release
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
