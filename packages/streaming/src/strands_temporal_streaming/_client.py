"""The reader's side: an agent's output as typed events."""

from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio.client import Client

from ._calls import Calls
from ._life_types import AgentEvent
from ._log import Run
from ._reader import StreamReader
from ._sharing import shared_log
from ._types import DEFAULT_TOPIC, End


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
        from_offset: Where to begin; 0 is the beginning. To continue later, store `offset`.
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
        """Offset of the next event. Pass it as `from_offset` to continue here later."""
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
                # A reader that stops before this line gets the rest of the step when it continues.
                self._offset = max(page.asked, after)
                if before is not None:
                    yield before
            self._offset = max(page.asked, page.stop)
        yield End(reader.status, self._offset)
