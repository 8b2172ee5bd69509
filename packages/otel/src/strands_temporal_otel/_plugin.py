"""`OTelPlugin`: traces and metrics of durable Strands agents, on a Client or Worker."""

from collections.abc import Iterable
from typing import Any

from temporalio.client import ClientConfig
from temporalio.contrib.opentelemetry import OpenTelemetryInterceptor, TracingInterceptor
from temporalio.worker import ReplayerConfig, WorkerConfig

from strands_temporal.extension import ComposablePlugin, ModelCallInterceptor

from ._activities import ChatTelemetry
from ._install import check_providers, exporting, set_providers


class OTelPlugin(ComposablePlugin):
    """One trace of an agent, from client to provider, and its metrics; sent by OTLP over HTTP.

    Put it on the Client (its workers pick it up), on a Worker, or on both. It sets the process's tracer and
    meter provider where the application has set none, with exporters by the standard `OTEL_*` variables, and
    carries the trace from the client over workflows, activities and MCP servers. What the application set
    stays: its exporters are the application's. Nothing that people, models or tools said is recorded unless
    `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`.

    Args:
        add_temporal_spans: Whether Temporal's own operations get spans too (`StartWorkflow`, `RunWorkflow`,
            `RunActivity`, ...). They make one trace of a workflow that no span of yours started, and show
            retries.
        instrument_models: Whether the plugin itself records a provider's call: its span and the `gen_ai.*`
            metrics. False where the provider has an instrumentation of its own
            (`opentelemetry-instrumentation-...`, OpenInference), which would record each call again.

    Raises:
        ValueError: Where it meets a Client or Worker: if the `OTEL_*` variables ask for an exporter that is
            not ours, if the application's tracer provider is not replay-safe, or if temporalio's older
            `TracingInterceptor` is there.
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
        config = super().configure_client(config)
        config["interceptors"] = self._outermost(config.get("interceptors") or ())
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """See base class."""
        set_providers()
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
        """Export what workers record. See base class."""
        await exporting.enter()

    async def close(self) -> None:
        """Send what is left, if this was the process's last plugin with a worker."""
        await exporting.leave()

    def _outermost(self, interceptors: Any) -> list[Any]:
        """Put the tracing in front, unless it is there: its spans then see the errors that others make."""
        return [*interceptors] if _traces(interceptors) else [self._tracing, *interceptors]


def _traces(interceptors: Iterable[object]) -> bool:
    """Tell whether temporalio's tracing is among `interceptors`, ours or that of its OpenTelemetryPlugin."""
    for interceptor in interceptors:
        if isinstance(interceptor, TracingInterceptor):
            raise ValueError(  # noqa: TRY004  # two settings that exclude each other
                "OTelPlugin: temporalio's TracingInterceptor is registered too, and both would write one "
                "header and make spans of the same calls. Remove one of them"
            )
        if isinstance(interceptor, OpenTelemetryInterceptor):
            return True
    return False
