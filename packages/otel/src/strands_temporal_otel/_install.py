"""Sets the process's OpenTelemetry providers to ours, if the application has not set its own."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from temporalio.contrib.opentelemetry import ReplaySafeMeterProvider, ReplaySafeTracerProvider

from strands_temporal.extension import SharedLifetime

from ._export import AgentMeterProvider, MetricExport, SpanExport, exports
from ._spans import AgentTracerProvider
from ._types import captures_content

logger = logging.getLogger(__name__)

Export = SpanExport | MetricExport


def set_providers() -> None:
    """Set the process's tracer and meter provider, unless the application has set them.

    Strands takes both from OpenTelemetry's globals, so ours must be there. If the application has set a
    provider, it is left in place, and exports as the application configured it.
    """
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(AgentTracerProvider())
    if is_unset(metrics.get_meter_provider()):
        metrics.set_meter_provider(AgentMeterProvider())
    tracer, meter = trace.get_tracer_provider(), metrics.get_meter_provider()
    logger.debug("tracer=<%s>, meter=<%s> | providers", type(tracer).__name__, type(meter).__name__)


def check_exports() -> None:
    """Refuse `OTEL_*` variables that our providers cannot follow, before a workflow runs.

    Raises:
        ValueError: If the OTEL_* variables ask for an exporter that we do not have.
    """
    if isinstance(trace.get_tracer_provider(), AgentTracerProvider):
        exports("traces")
    if isinstance(metrics.get_meter_provider(), AgentMeterProvider):
        exports("metrics")


def check_providers() -> None:
    """Refuse a tracer provider that would create new spans for a workflow at every replay.

    Raises:
        ValueError: If the application set a tracer provider that is not replay-safe.
    """
    tracer, meter = trace.get_tracer_provider(), metrics.get_meter_provider()
    if not isinstance(tracer, ReplaySafeTracerProvider):
        raise ValueError(  # noqa: TRY004  # a wrong setting, no wrong type of an argument
            f"OTelPlugin: the process's tracer provider is {type(tracer).__qualname__}, with which a replay "
            "would export each span of a workflow again, under another id. Set no tracer provider (the "
            "plugin then brings its own), or one by temporalio.contrib.opentelemetry.create_tracer_provider()"
        )
    if not isinstance(tracer, AgentTracerProvider) and not captures_content():
        logger.warning(
            "provider=<%s> | the application's tracer provider stays; Strands records with it what people, "
            "models and tools said; OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_unredacted_attributes= redacts that",
            type(tracer).__qualname__,
        )
    if not isinstance(meter, ReplaySafeMeterProvider):
        logger.warning(
            "provider=<%s> | the application's meter provider stays; it counts what your own workflow code "
            "records again at each replay: wrap it in ReplaySafeMeterProvider of "
            "temporalio.contrib.opentelemetry",
            type(meter).__qualname__,
        )


class _Exports:
    """The exports of the OpenTelemetry providers that we have set. The application's are not touched."""

    def __init__(self) -> None:
        self._open: list[Export] = []

    async def open(self) -> None:
        try:
            for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
                if isinstance(provider, (AgentTracerProvider, AgentMeterProvider)):
                    provider.export.open()
                    self._open.append(provider.export)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close all in parallel, in threads, because closing waits for the network."""
        exports, self._open = self._open, []
        if exports:
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(len(exports), thread_name_prefix="otel-close") as threads:
                await asyncio.gather(*(loop.run_in_executor(threads, export.close) for export in exports))


_exports = _Exports()
exporting = SharedLifetime(_exports.open, _exports.close)
"""Shared by all plugins of the process, like the providers. Sends the rest when the last worker ends."""


def is_unset(provider: MeterProvider) -> bool:
    """Tell whether `provider` is OpenTelemetry's placeholder for a provider that has not been set."""
    # OpenTelemetry has a public name for the tracers' placeholder, ProxyTracerProvider, but not for this one.
    return type(provider).__name__ == "_ProxyMeterProvider"
