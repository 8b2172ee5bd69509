"""The reader's side: an agent's output as typed events."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from datetime import timedelta
from itertools import chain

from temporalio.client import Client

from ._calls import Calls
from ._life_types import AgentEvent
from ._log import Page, Run
from ._reader import StreamReader
from ._sharing import SharedLog, shared_log
from ._snapshot import Present
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
        poll_cooldown: Shortest time between two polls while there is output. Without output the reader polls
            less often, but at least twice a second.
        patience: How long to retry while the server is unreachable, before the error is raised. For a
            workflow that has ended, also how long to retry while no worker answers. While a workflow runs,
            the reader waits for its workers without limit.

    Raises:
        RPCError: If the workflow is not known, or an outage lasted longer than `patience`.
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
        poll_cooldown: timedelta = timedelta(milliseconds=50),
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._offset = from_offset or 0
        self._snapshot = snapshot
        self._begins = True
        self._begins_with_snapshot = snapshot and from_offset is None
        self._poll_cooldown = poll_cooldown.total_seconds()
        self._patience = patience.total_seconds()
        self._calls = Calls(topic, client.data_converter.payload_converter)
        self._run: Run | None = None

    @property
    def offset(self) -> int:
        """Offset of the next event. Pass it as `from_offset` to continue here later."""
        return self._offset

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """Yield the events until the workflow ends."""
        log = shared_log(self._client, self._workflow_id)
        while True:
            reader = StreamReader(log, self._poll_cooldown, self._patience, self._run)
            start = _THE_END if self._begins_with_snapshot else self._offset
            jumps = False
            async with aclosing(reader.pages(start)) as pages:
                async for page in pages:
                    self._run = reader.run
                    present = await self._present(log, page)
                    jumps = self._jumps(page, present)
                    self._begins_with_snapshot = False
                    for event in self._jump(page, present) if jumps else self._events(page, present):
                        yield event
                    if jumps:
                        break
            if not jumps:
                break
        yield End(reader.status, self._offset)

    async def _present(self, log: SharedLog, page: Page) -> Present | None:
        """Return the present state, if it is needed: at the begin, and after a gap."""
        begins, self._begins = self._begins and page.asked > 0, False
        if self._run is None or not (begins or page.start > page.asked):
            return None
        present = await log.present(self._run.id)
        if present is not None:
            self._calls.learn(present.places)
        return present

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
        self._offset = snapshot.offset + 1
        yield snapshot

    def _events(self, page: Page, present: Present | None) -> Iterator[AgentEvent]:
        """Yield the events of a page, after the gap before it if there is one."""
        gap: Iterable[AgentEvent] = ()
        if page.start > page.asked:
            gap = chain(
                self._calls.gap(page.asked, page.start), () if present is None else (present.snapshot,)
            )
        steps = [(page.start, gap), *((item.offset + 1, self._calls.events(item)) for item in page.items)]
        for after, step in steps:
            before: AgentEvent | None = None
            for event in step:
                if before is not None:
                    yield before
                before = event
            # A reader that stops before this line gets the rest of the step when it continues.
            self._offset = max(page.asked, after)
            if before is not None:
                yield before
        self._offset = max(page.asked, page.stop)
