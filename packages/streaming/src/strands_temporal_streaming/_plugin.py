"""`StreamingPlugin`: live output of durable Strands agents, on a Client or Worker."""

from strands_temporal.extension import ComposablePlugin, ModelCallInterceptor, ModelCallMiddleware

from ._activities import StreamingMiddleware


class StreamingPlugin(ComposablePlugin):
    """Publish what models say, while they say it, to the stream of the workflow that called them.

    Put it beside `strands_temporal.StrandsPlugin` on the Client (its workers pick it up), on a Worker, or on
    both. Agents choose with `TemporalAgent(streaming_topic=...)`. A worker that has only `StrandsPlugin` uses
    this package automatically when a call carries a topic. With this plugin a missing package is noticed when
    the worker starts.
    """

    def __init__(self) -> None:
        super().__init__(
            "strands_temporal_streaming.StreamingPlugin",
            interceptors=[ModelCallInterceptor(self.model_call_middleware())],
            passthrough_modules=("strands_temporal_streaming",),
        )

    @staticmethod
    def model_call_middleware() -> ModelCallMiddleware:
        """Return the middleware that publishes a model call's events, for a worker without this plugin."""
        return StreamingMiddleware()
