"""Tells the end of each run: the workflow's side sees it, the worker sends it (`_run_ends.py`)."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

from temporalio import worker, workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import PollInput, PollResult
from typing_extensions import override

from ._limits import OFFSET_QUERY, POLL_QUERY
from ._run_ends import MOST_BYTES, MOST_ITEMS, RunEnd, RunEndTransport
from ._transport import StreamTransport, default_transport

_EXTERN_FUNCTION = "__strands_temporal_streaming_tell_end"

_PATIENCE = 2.0
"""Seconds to send one end. A worker that shuts down waits as long for those on their way."""


class RunEndInterceptor(worker.Interceptor):
    """Sends the ends of a worker's runs. Readers do not need them: they query what they do not get.

    Args:
        client: The worker's client.
        transport: The plugin's transport; None for the one of the environment.
    """

    def __init__(self, client: Client, transport: StreamTransport | None) -> None:
        self._client = client
        self._transport = transport
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Send from now on, in the running loop."""
        self._loop = asyncio.get_running_loop()

    async def finish(self) -> None:
        """Wait for what is on its way, and send nothing more."""
        self._loop = None
        if self._sending:
            await asyncio.wait(self._sending, timeout=_PATIENCE)

    @override
    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor] | None:
        """See base class."""
        transport = self._transport or default_transport()
        if not isinstance(transport, RunEndTransport):
            return None

        def tell(workflow_id: str, end: RunEnd) -> None:
            """Send it from the worker's loop. A workflow's thread calls this, and must not wait."""
            if (loop := self._loop) is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._send, transport, workflow_id, end)

        input.unsafe_extern_functions[_EXTERN_FUNCTION] = tell
        return _RunEnds

    def _send(self, transport: RunEndTransport, workflow_id: str, end: RunEnd) -> None:
        async def send() -> None:
            with contextlib.suppress(Exception):  # readers query the workflow then
                await asyncio.wait_for(transport.tell_end(self._client, workflow_id, end), _PATIENCE)

        task = asyncio.ensure_future(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


class _RunEnds(worker.WorkflowInboundInterceptor):
    """Looks for the end of the run. It starts no command, and changes nothing in the workflow."""

    @override
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:
        """See base class."""
        ending = _Ending()
        ending.telling = asyncio.ensure_future(ending.tell())
        try:
            result = await self.next.execute_workflow(input)
        except workflow.ContinueAsNewError:  # the next run has the stream
            ending.telling.cancel()
            raise
        except BaseException:
            ending.is_over = True
            raise
        ending.is_over = True
        return result


class _Ending:
    """Whether the workflow's function has ended."""

    def __init__(self) -> None:
        self.is_over = False
        self.telling: asyncio.Future[None] | None = None

    async def tell(self) -> None:
        """Tell the end, if nothing else in the workflow can run any more.

        Temporal's SDK looks at conditions only when nothing is ready to run. If there is no other task by
        then, nothing can write to the stream after it. If there is one, it may write in the same workflow
        task: nothing is told, unless it ends too.
        """
        await workflow.wait_condition(lambda: self.is_over and _is_alone(self.telling))
        stop = _stop()
        if stop >= 0 and not workflow.unsafe.is_replaying() and (tell := _function()) is not None:
            tell(workflow.info().workflow_id, _run_end(stop))


def _is_alone(telling: "asyncio.Future[None] | None") -> bool:
    """Tell whether the workflow has no other task that has not ended."""
    try:
        return all(task is telling for task in asyncio.all_tasks())
    except RuntimeError:  # other threads begin and end too many tasks meanwhile
        return False


def _function() -> Callable[[str, RunEnd], None] | None:
    return cast("Any", workflow.extern_functions().get(_EXTERN_FUNCTION))


def _stop() -> int:
    """Return the offset behind the stream's last item; -1 if the workflow has no stream."""
    stop: Callable[[], int] | None = cast("Any", workflow.get_query_handler(OFFSET_QUERY))
    return -1 if stop is None else stop()


def _run_end(stop: int) -> RunEnd:
    """Return the end of the stream, with its newest items."""
    poll: Callable[[PollInput], PollResult] = cast("Any", workflow.get_query_handler(POLL_QUERY))
    asked, room = max(0, stop - MOST_ITEMS), MOST_BYTES
    found: list[tuple[int, str, str]] = []
    at = asked
    while True:
        page = poll(PollInput(from_offset=at))
        found.extend((item.offset, item.topic, item.data) for item in page.items)
        if not page.more_ready:
            break
        at = page.next_offset
    is_whole = asked == 0 or not found or found[0][0] > asked
    kept = 0
    for _, topic, data in reversed(found):
        room -= len(topic) + len(data)
        if room < 0:
            is_whole = False
            break
        kept += 1
    items = tuple(found[len(found) - kept :])
    return RunEnd(
        workflow.info().run_id,
        workflow.info().get_current_history_length(),
        workflow.time_ns(),
        items[0][0] if items else stop,
        stop,
        is_whole,
        items,
    )
