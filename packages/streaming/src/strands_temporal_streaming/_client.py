"""The reader's side: an agent's output as typed events."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from itertools import chain

from temporalio.client import Client

from ._calls import Calls
from ._life_types import AgentEvent
from ._log import Item, Page, Run
from ._merging import MergedReader
from ._pieces import Position
from ._reader import StreamReader
from ._run_ends import RunEndReader
from ._sharing import SharedLog, shared_log
from ._snapshot import Present
from ._transport import (
    Piece,
    PieceGap,
    StreamTransport,
    WorkflowStreamTransport,
    check_transport,
    default_transport,
)
from ._types import DEFAULT_TOPIC, End, StreamGap

_THE_END = 2**53
"""An offset behind the end of each stream. A page from there on is empty."""


class AgentStream:
    """The output of the agents of a running workflow, as typed events, in order.

        async for event in AgentStream(client, workflow_id):
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case AttemptRestarted() | AttemptFailed():
                    print(" (once more)")  # discard this call's text

    Works in any process with a client. Keeps reading across worker restarts, resets, workflow retries and
    continue-as-new with the stream's state. Waits while the workflow is paused. Ends when the workflow
    closes, after `End`. Iterating again continues from `offset`.

    Any number of readers may read at once. They use describe and query, which neither add to history nor
    count as one of the workflow's updates in progress.

    Args:
        client: A client with a data converter that can decode the workers' payloads.
        workflow_id: Id of the workflow.
        topic: The agent's `streaming_topic`.
        from_offset: Where to begin; 0 is the beginning, and the default. To continue later, store `offset`.
        snapshot: Whether to begin with a `Snapshot` of the present state, and to go on with the events after
            it. With a `from_offset` the reader begins there, without a snapshot. A reader that finds a gap
            gets a snapshot after the `StreamGap`, and goes on after the snapshot. Without `snapshot` it gets
            one too, but all events that the stream still has follow. Needs `StreamHooks` in the workflow.
            Over NATS the snapshot has no text of running calls: all their pieces follow.
        poll_cooldown: Shortest time between two polls while there is output; by default 50 ms, or less if the
            workers' `latency` asks for it. Without output the reader polls less often, but at least twice a
            second; once a second during a model call whose pieces another transport carries.
        patience: How long to retry while the server is unreachable, before the error is raised. For a
            workflow that has ended, also how long to retry while no worker answers. While a workflow runs,
            the reader waits for its workers without limit.
        transport: The transport of the workers' `StreamingPlugin`; None for the workflow's own log.

    Raises:
        RPCError: If the workflow is not known, or an outage lasted longer than `patience`.
        TypeError: If `transport` is none.
        ValueError: If the workflow has no `WorkflowStream`, or the client cannot decode the stream.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        *,
        topic: str = DEFAULT_TOPIC,
        from_offset: int | None = None,
        snapshot: bool = False,
        poll_cooldown: timedelta | None = None,
        patience: timedelta = timedelta(seconds=60),
        transport: StreamTransport | None = None,
    ) -> None:
        check_transport("AgentStream", transport)
        self._client = client
        self._workflow_id = workflow_id
        self._offset = from_offset or 0
        self._snapshot = snapshot
        self._begins = True
        self._begins_with_snapshot = snapshot and from_offset is None
        self._poll_cooldown = None if poll_cooldown is None else poll_cooldown.total_seconds()
        self._patience = patience.total_seconds()
        self._calls = Calls(topic, client.data_converter.payload_converter)
        self._run: Run | None = None
        self._transport = transport or default_transport()
        if isinstance(self._transport, WorkflowStreamTransport):
            self._calls.resume(Position.of(self._offset).extra)

    @property
    def offset(self) -> int:
        """Offset of the next event. Pass it as `from_offset` to continue here later."""
        return self._offset

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """Yield the events until the workflow ends."""
        log = shared_log(self._client, self._workflow_id)
        while True:
            pieces = self._transport.reader(self._client, self._workflow_id)
            reader = StreamReader(
                log,
                self._poll_cooldown,
                self._patience,
                self._run,
                has_pieces=pieces is None,
                ends=pieces.run_end if isinstance(pieces, RunEndReader) else None,
            )
            position, merged = Position.of(self._offset), None
            if self._begins_with_snapshot:
                steps = reader.pages(_THE_END)
            elif pieces is None:
                steps = reader.pages(position.log)
            else:
                merged = MergedReader(reader, pieces, position.extra, self._calls, self._now)
                steps = merged.steps(position.log)
            jumps = False
            async with aclosing(steps):
                async for step in steps:
                    self._run = reader.run
                    present = None
                    if merged is not None and self._begins and position.number:
                        await self._learn()  # a piece may come before the first page
                    if isinstance(step, Page):
                        present = await self._present(log, step)
                        jumps = self._jumps(step, present)
                    self._begins_with_snapshot = False
                    if jumps and isinstance(step, Page):
                        for event in self._jump(step, present):
                            yield event
                        break
                    for event in self._read(step, present, merged):
                        yield event
            if not jumps:
                break
        yield End(reader.status, self._offset)

    def _read(
        self, step: Page | Piece | PieceGap, present: Present | None, merged: MergedReader | None
    ) -> Iterator[AgentEvent]:
        """Yield the events of a step, and note the position after each."""
        position = Position.of(self._offset)
        for after, events in self._events(step, present, position.log, merged):
            before: AgentEvent | None = None
            for event in events:
                if before is not None:  # who stops here gets the whole step again
                    yield replace(before, offset=self._offset - 1) if position.extra or merged else before
                before = event
            # A reader that stops before this line gets the rest of the step when it continues.
            position = Position(after, self._calls.extra if merged is None else merged.extra)
            self._offset = position.number
            if before is not None:
                yield replace(before, offset=self._offset - 1) if position.extra or merged else before

    def _events(
        self,
        step: Page | Piece | PieceGap,
        present: Present | None,
        offset: int,
        merged: MergedReader | None,
    ) -> Iterator[tuple[int, Iterable[AgentEvent]]]:
        """Yield the events of a step in parts, each with the log's offset after it."""
        if isinstance(step, Piece):
            yield offset, self._calls.events(Item(-1, step.topic, step.payload))
        elif isinstance(step, PieceGap):
            extra_of = int if merged is None else merged.extra_of
            start, stop = (Position(offset, extra_of(seq)).number for seq in (step.start, step.stop))
            yield offset, self._calls.gap(start, stop)
        else:
            if step.start > step.asked:
                shown = () if present is None else (present.snapshot,)
                yield step.start, chain(self._calls.gap(step.asked, step.start), shown)
            for item in step.items:
                yield item.offset + 1, self._calls.events(item)
            stop = max(step.asked, step.stop)
            yield stop, ()
            for tail in step.tails:
                yield stop, self._calls.tail(tail)

    async def _present(self, log: SharedLog, page: Page) -> Present | None:
        """Return the present state, if it is needed: at the begin, and after a gap."""
        begins, self._begins = self._begins and page.asked > 0, False
        if self._run is None or not (begins or page.start > page.asked):
            return None
        present = await log.present(self._run.id)
        if present is not None:
            self._calls.learn(present.places)
        return present

    async def _now(self) -> Present | None:
        """Return the present state of the latest run."""
        log = shared_log(self._client, self._workflow_id)
        return await log.present((await log.latest()).id)

    async def _learn(self) -> None:
        """Learn the places of the calls that run now."""
        self._begins = False
        present = await self._now()
        if present is not None:
            self._calls.learn(present.places)

    def _jumps(self, page: Page, present: Present | None) -> bool:
        """Tell whether to go on behind a snapshot."""
        is_lost = page.start > page.asked
        return self._begins_with_snapshot or (self._snapshot and is_lost and present is not None)

    def _jump(self, page: Page, present: Present | None) -> Iterator[AgentEvent]:
        """Yield a snapshot, after the gap if there is one, and go on behind it."""
        if present is None:  # a worker of an older release, or no `StreamHooks`
            return
        snapshot = present.snapshot
        if page.start > page.asked:
            yield StreamGap(page.asked, snapshot.offset + 1, snapshot.offset, seq=snapshot.offset)
        self._calls.jump()
        self._offset = snapshot.offset + 1
        yield replace(snapshot, offset=self._offset - 1)
