"""`StreamingPlugin`: live output of durable Strands agents, on a Client or Worker."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker

from strands_temporal.extension import (
    ComposablePlugin,
    ModelCallInterceptor,
    ModelCallMiddleware,
    ToolProgress,
)

from ._activities import StreamingMiddleware, sandbox_output
from ._end_teller import RunEndInterceptor
from ._progress import tool_progress
from ._transport import SHORTEST_LATENCY, StreamTransport, check_transport


class StreamingPlugin(ComposablePlugin):
    """Publish the output of models, as it arrives, to the stream of the workflow that called them.

    Put it beside `strands_temporal.StrandsPlugin` on the Client (its workers pick it up), on a Worker, or on
    both. Agents choose with `TemporalAgent(streaming_topic=...)`. A worker that has only `StrandsPlugin` uses
    this package automatically when a call carries a topic. With this plugin a missing package is noticed when
    the worker starts.

    Args:
        transport: What carries the pieces of the output to the readers; None for the workflow's own log. With
            another transport, give it to each `AgentStream` too.
        latency: How soon an `AgentStream` gets what the model writes, in the median; by default 100 ms. A
            shorter time costs more heartbeats, and no more history.

    Raises:
        ValueError: `latency` is shorter than 10 ms.
        TypeError: An argument is of another type.
    """

    def __init__(self, *, transport: StreamTransport | None = None, latency: timedelta | None = None) -> None:
        check_transport("StreamingPlugin", transport)
        if latency is not None and not isinstance(latency, timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"StreamingPlugin: latency={latency!r} is not a timedelta. Write timedelta(milliseconds=40)"
            )
        if latency is not None and latency < SHORTEST_LATENCY:
            raise ValueError(f"StreamingPlugin: latency={latency!r} is shorter than 10 milliseconds")
        self.transport = transport
        self._calls = ModelCallInterceptor(StreamingMiddleware(transport, latency))
        super().__init__(
            "strands_temporal_streaming.StreamingPlugin",
            interceptors=self._interceptors,
            passthrough_modules=("strands_temporal_streaming",),
        )

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """See base class. While the worker runs, it tells readers the ends of its runs."""
        given = worker.config(active_config=True).get("interceptors") or ()
        ends = [one for one in given if isinstance(one, RunEndInterceptor)]
        for one in ends:
            one.begin()
        try:
            await super().run_worker(worker, next)
        finally:
            for one in ends:
                await one.finish()

    def _interceptors(self, client: Client | None) -> Sequence[Interceptor]:
        """Return the interceptors of a worker with this client; of a Replayer without."""
        return [self._calls] if client is None else [self._calls, RunEndInterceptor(client, self.transport)]

    @staticmethod
    def model_call_middleware() -> ModelCallMiddleware:
        """Return the middleware that publishes a model call's events, for a worker without this plugin."""
        return StreamingMiddleware()

    @staticmethod
    def tool_progress(about: Any) -> AbstractAsyncContextManager[Callable[[ToolProgress], None]]:
        """Return the publisher of the progress of a tool, for the activity that runs it.

        Args:
            about: What the tool's workflow gave: topic, agent, path and turn.
        """
        return tool_progress(about)

    @staticmethod
    def sandbox_output(
        topic: str, interval: timedelta, sandbox: str, tool: str, tool_use_id: str
    ) -> AbstractAsyncContextManager[Callable[[str, str], None]]:
        """Return the publisher of the output of a command in a sandbox, for the activity that runs it.

        Args:
            topic: Topic of the workflow's stream.
            interval: Time between two batches.
            sandbox: Name of the sandbox.
            tool: Name of the tool that runs the command.
            tool_use_id: Id of the tool's call.
        """
        return sandbox_output(topic, interval, sandbox, tool, tool_use_id)
