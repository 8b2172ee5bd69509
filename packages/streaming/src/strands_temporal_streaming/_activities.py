"""The worker's side: sends the output of models and sandboxes to the workflow's stream as it arrives."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from strands.types.streaming import StreamEvent

from strands_temporal.extension import ModelRequest, ModelStream

from ._publisher import AttemptPublisher
from ._sandbox_publisher import SandboxPublisher
from ._transport import StreamTransport
from ._types import MIDDLEWARE_KEY


class StreamingMiddleware:
    """Publishes the events of model calls that carry a topic. Passes on all events unchanged.

    Attributes:
        key: Identity. It tells core that the middleware is installed.
        rank: Position outside of the other middleware, so that the stream gets the same events as the agent.
    """

    key = MIDDLEWARE_KEY
    rank = 100

    def __init__(self, transport: StreamTransport | None = None, latency: timedelta | None = None) -> None:
        self._transport = transport
        self._latency = latency

    async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        """Yield and publish the events of `next(request)`. Everything is sent before the iteration ends."""
        topic = request.streaming_topic
        if topic is None:
            async for event in next(request):
                yield event
            return
        interval = request.streaming_batch_interval
        publisher = AttemptPublisher(
            topic, request.model_name, interval, request.call, self._transport, self._latency
        )
        async with publisher:
            async for event in next(request):
                publisher.publish(event)
                yield event


@asynccontextmanager
async def sandbox_output(
    topic: str, interval: timedelta, sandbox: str, tool: str, tool_use_id: str
) -> AsyncGenerator[Callable[[str, str], None]]:
    """Yield a function that publishes a piece of a command's output: `stdout` or `stderr`, and the text.

    Everything is sent before the block ends.
    """
    async with SandboxPublisher(topic, interval, sandbox, tool, tool_use_id) as publisher:
        yield publisher.output
