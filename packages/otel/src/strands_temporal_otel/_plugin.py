"""`OTelPlugin`: traces and metrics of durable Strands agents, on a Client or Worker."""

from collections.abc import Iterable
from typing import Any

from temporalio.client import ClientConfig
from temporalio.contrib.opentelemetry import OpenTelemetryInterceptor, TracingInterceptor
from temporalio.worker import ReplayerConfig, WorkerConfig

from strands_temporal.extension import ComposablePlugin, ModelCallInterceptor

from ._activities import ChatTelemetry
from ._install import check_exports, check_providers, exporting, set_providers


class OTelPlugin(ComposablePlugin):
    """Record one trace of an agent, from client to provider, and its metrics; send them by OTLP over HTTP.

    Put it on the Client (its workers pick it up), on a Worker, or on both. It sets the process's tracer and
    meter provider, with exporters that the standard `OTEL_*` variables configure. If the application has
    already set one of the two, that one is left in place, with its exporters. The trace passes from the
    client through workflows, activities and MCP servers. The spans contain messages of people, models and
    tools only with `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`.

    Args:
        add_temporal_spans: Whether Temporal's own operations get spans too (`StartWorkflow`, `RunWorkflow`,
            `RunActivity`, ...). They show retries. They also hold a workflow's spans together in one trace if
            it was started outside of any span of yours.
        instrument_models: Whether the plugin itself records a provider's call: its span and the `gen_ai.*`
            metrics. If the provider has its own instrumentation (`opentelemetry-instrumentation-...`,
            OpenInference), set this to False. Otherwise each call is recorded twice.

    Raises:
        ValueError: When the plugin is added to a Client or Worker, in three cases: the `OTEL_*` variables ask
            for an exporter that it does not have, the application's tracer provider is not replay-safe, or
            temporalio's older `TracingInterceptor` is registered.
    """

    def __init__(self, *, add_temporal_spans: bool = True, instrument_models: bool = True) -> None:
        self._tracing = OpenTelemetryInterceptor(add_temporal_spans)
        super().__init__(
            "strands_temporal_otel.OTelPlugin",
            interceptors=[ModelCallInterceptor(ChatTelemetry())] if instrument_models else [],
            passthrough_modules=("strands_temporal_otel",),
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """See base class."""
        set_providers()
        check_exports()
        config = super().configure_client(config)
        config["interceptors"] = self._outermost(config.get("interceptors") or ())
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See base class."""
        set_providers()
        check_exports()
        check_providers()
        config = super().configure_worker(config)
        # temporalio puts the client's interceptors in front of these.
        client = config.get("client")
        if client is None or not _traces(client.config(active_config=True)["interceptors"]):
            config["interceptors"] = self._outermost(config.get("interceptors") or ())
        return config

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """See base class."""
        set_providers()
        check_providers()
        config = super().configure_replayer(config)
        config["interceptors"] = self._outermost(config.get("interceptors") or ())
        return config

    async def open(self) -> None:
        """See base class. Starts the export."""
        await exporting.enter()

    async def close(self) -> None:
        """See base class. Sends the remaining data if no other plugin of the process has a worker."""
        await exporting.leave()

    def _outermost(self, interceptors: Any) -> list[Any]:
        """Put the tracing first, unless it is there already: its spans then see the others' errors."""
        return [*interceptors] if _traces(interceptors) else [self._tracing, *interceptors]


def _traces(interceptors: Iterable[object]) -> bool:
    """Tell whether `interceptors` contain temporalio's tracing, from us or from its OpenTelemetryPlugin."""
    for interceptor in interceptors:
        if isinstance(interceptor, TracingInterceptor):
            raise ValueError(  # noqa: TRY004  # two settings that exclude each other
                "OTelPlugin: temporalio's TracingInterceptor is registered too, and both would write the "
                "same header and create spans for the same calls. Remove one of them"
            )
        if isinstance(interceptor, OpenTelemetryInterceptor):
            return True
    return False
