"""The worker's side: what a model says goes to its workflow's stream while it speaks."""

from collections.abc import AsyncIterator

from strands.types.streaming import StreamEvent

from strands_temporal.extension import ModelRequest, ModelStream

from ._publisher import AttemptPublisher
from ._types import MIDDLEWARE_KEY


class StreamingMiddleware:
    """Publishes the events of calls that carry a topic, and passes all events on unchanged.

    Attributes:
        key: Identity, by which core knows that streaming is taken care of.
        rank: Outside of other middleware: what goes out is what the agent gets.
    """

    key = MIDDLEWARE_KEY
    rank = 100

    async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        """Yield the events of `next(request)`, each published on its way; all are sent before this ends."""
        topic = request.streaming_topic
        if topic is None:
            async for event in next(request):
                yield event
            return
        async with AttemptPublisher(topic, request.model_name, request.streaming_batch_interval) as publisher:
            async for event in next(request):
                publisher.publish(event)
                yield event
