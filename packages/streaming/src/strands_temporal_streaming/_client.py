"""The reader's side: an agent's output as typed events."""

from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio.client import Client

from ._calls import Calls
from ._log import Run
from ._reader import StreamReader
from ._sharing import shared_log
from ._types import DEFAULT_TOPIC, AgentEvent, End


class AgentStream:
    """The output of the agents of a running workflow, as typed events, in order.

        async for event in AgentStream(client, workflow_id):
            match event:
                case TextDelta(text=text):
                    print(text, end="", flush=True)
                case AttemptRestarted() | AttemptFailed():
                    print(" (once more)")  # what this call said does not count

    Works in any process with a client. Keeps reading across worker restarts, resets, workflow retries and
    continue-as-new with the stream's state. Waits while the workflow is paused. Ends with the workflow, after
    `End`. Iterating again goes on from `offset`.

    Any number of readers may read at once: it asks by describe and query, which cost the workflow neither
    history nor one of the updates that it may have in progress.

    Args:
        client: A client; its data converter must decode what the workers encode.
        workflow_id: Id of the workflow.
        topic: The agent's `streaming_topic`.
        from_offset: Where to begin; 0 is the beginning. To go on later, store `offset`.
        poll_cooldown: Least time between two looks while something is said. In silence it looks less often,
            down to twice a second.
        patience: How long the server may be away at a time, and for the rest of a workflow that has ended the
            workers, before the error is raised. While a workflow runs, its workers are waited for without
            limit.

    Raises:
        RPCError: If the workflow is not known, or trouble outlasted `patience`.
        ValueError: If the workflow has no `WorkflowStream`, or the client cannot decode what it says.
    """

    def __init__(
        self,
        client: Client,
        workflow_id: str,
        *,
        topic: str = DEFAULT_TOPIC,
        from_offset: int = 0,
        poll_cooldown: timedelta = timedelta(milliseconds=50),
        patience: timedelta = timedelta(seconds=60),
    ) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._offset = from_offset
        self._poll_cooldown = poll_cooldown.total_seconds()
        self._patience = patience.total_seconds()
        self._calls = Calls(topic, client.data_converter.payload_converter)
        self._run: Run | None = None

    @property
    def offset(self) -> int:
        """Where the next event will be looked for: `from_offset` of a stream that goes on from here."""
        return self._offset

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """Yield the events until the workflow ends."""
        log = shared_log(self._client, self._workflow_id)
        reader = StreamReader(log, self._poll_cooldown, self._patience, self._run)
        async for page in reader.pages(self._offset):
            self._run = reader.run
            gap = self._calls.gap(page.asked, page.start) if page.start > page.asked else ()
            steps = [(page.start, gap), *((item.offset + 1, self._calls.events(item)) for item in page.items)]
            for after, step in steps:
                before: AgentEvent | None = None
                for event in step:
                    if before is not None:
                        yield before
                    before = event
                self._offset = max(
                    page.asked, after
                )  # who stops before has the rest of this step before them
                if before is not None:
                    yield before
            self._offset = max(page.asked, page.stop)
        yield End(reader.status, self._offset)
