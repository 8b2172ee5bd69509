"""The worker's side: sends the progress of a tool that runs in an activity to the workflow's stream.

No error here reaches the tool. Progress that cannot be sent is logged.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from temporalio import activity
from temporalio.contrib.workflow_streams import WorkflowStreamClient

from strands_temporal.extension import ToolProgress as Reported

from ._control import control_topic, to_control
from ._cut import as_json
from ._life_types import ToolProgress
from ._transport import connect_to_stream

_INTERVAL = 0.1  # seconds between two batches
_PATIENCE = timedelta(seconds=2)
"""How long the end of a tool waits for the server to accept the rest of its progress."""


@contextlib.asynccontextmanager
async def tool_progress(about: dict[str, Any]) -> AsyncGenerator[Callable[[Reported], None]]:
    """Yield a function that publishes a value. Everything is sent before the block ends."""
    sender = _Sender(about)
    try:
        yield sender.send
    finally:
        await sender.close()


class _Sender:
    """Sends values in batches.

    Args:
        about: Topic of the outermost agent; agent, path and turn of the events.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self._about = dict(about)
        self._topic = control_topic(str(self._about.pop("topic")))
        self._stream: WorkflowStreamClient | None = None
        self._sending: asyncio.Task[None] | None = None

    def send(self, progress: Reported) -> None:
        """Queue a value. It is sent in the background."""
        if self._stream is None:
            self._stream = connect_to_stream(activity.client(), activity.info())
        data, cut = as_json(progress.value)
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        event = ToolProgress(
            agent=str(self._about.get("agent", "")),
            path=tuple(self._about.get("path", ())),
            turn=int(self._about.get("turn", 0)),
            time=now,
            name=progress.name,
            tool_use_id=progress.tool_use_id,
            data=data,
            truncated=cut,
        )
        self._stream.topic(self._topic).publish(to_control(event))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_soon(self._stream))

    async def close(self) -> None:
        """Send the rest."""
        if self._stream is None or self._sending is None:
            return
        self._sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sending
        await self._flush(self._stream)

    async def _send_soon(self, stream: WorkflowStreamClient) -> None:
        await asyncio.sleep(_INTERVAL)
        await self._flush(stream)

    async def _flush(self, stream: WorkflowStreamClient) -> None:
        try:
            await asyncio.wait_for(stream.flush(), _PATIENCE.total_seconds())
        except Exception as error:  # noqa: BLE001  # see the head of this module
            activity.logger.warning("topic=<%s> | progress was not streamed: %s", self._topic, error)
