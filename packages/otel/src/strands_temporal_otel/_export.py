"""OTLP export. It starts with a worker or with the first span that ends, and stops with the last worker.

OpenTelemetry's providers are set once per process, and do not restart after a shutdown. Workers come and go.
So our providers stay, and the parts that hold threads and connections are created again for each period with
workers.
"""

import atexit
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from temporalio import workflow
from temporalio.contrib.opentelemetry import ReplaySafeMeterProvider

CLOSE_SECONDS = 5.0
"""How long it may take to send the remaining data when the last worker ends. A running collector needs
milliseconds, and a missing one must not hold up the shutdown."""

_PROTOCOL = "http/protobuf"


class SpanExport(SpanProcessor):
    """Sends ended spans in batches while it is open. If a span ends while it is closed, it opens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches: BatchSpanProcessor | None = None
        self._exporter: _SpanExporter | None = None

    def open(self) -> BatchSpanProcessor | None:
        """Start the sending thread, unless it runs already or the environment turns off the export."""
        with self._lock:
            if self._batches is None and exports("traces"):
                with _outside_the_sandbox():
                    self._exporter = _SpanExporter(OTLPSpanExporter())
                    self._batches = BatchSpanProcessor(self._exporter)
                    atexit.register(self.shutdown)  # for a process without a worker
            return self._batches

    def close(self) -> None:
        """Send the rest, for `CLOSE_SECONDS` at most, and end the thread."""
        exporter = self._exporter
        if exporter is not None:
            give_up = threading.Timer(CLOSE_SECONDS, exporter.shutdown)  # ends the waits between attempts
            give_up.start()
            self.shutdown()
            give_up.cancel()
            give_up.join()

    def on_end(self, span: ReadableSpan) -> None:
        """See base class."""
        batches = self._batches or self.open()
        if batches is not None:
            batches.on_end(span)

    def shutdown(self) -> None:
        """Send the rest, for as long as OTEL_EXPORTER_OTLP_TIMEOUT allows, and end the thread."""
        with self._lock:
            batches = self._batches
            self._batches = self._exporter = None
        if batches is not None:
            atexit.unregister(self.shutdown)
            batches.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """See base class."""
        batches = self._batches
        return batches is None or batches.force_flush(timeout_millis)


_VIEWS = (
    View(instrument_name="strands.event_loop.*", attribute_keys=set()),
    View(instrument_name="strands.tool.*", attribute_keys={"tool_name"}),
)
"""Remove the ids of cycles and tool calls from Strands' metrics. With them a worker would keep and send a
time series for each id, forever."""


class AgentMeterProvider(ReplaySafeMeterProvider):
    """The meter provider that `OTelPlugin` sets if the application has not set one.

    Attributes:
        export: Its exporter. It starts with the first worker and stops with the last.
    """

    def __init__(self) -> None:
        provider = MeterProvider(shutdown_on_exit=False, views=_VIEWS)
        super().__init__(provider)
        self.export = MetricExport(provider)


class MetricExport:
    """Sends metrics at intervals while it is open."""

    def __init__(self, provider: MeterProvider) -> None:
        self._provider = provider
        self._reader: _Reader | None = None

    def open(self) -> None:
        """Start the sending thread, unless it runs already or the environment turns off the export."""
        if self._reader is None and exports("metrics"):
            self._reader = _Reader(OTLPMetricExporter())
            self._provider.add_metric_reader(self._reader)

    def close(self) -> None:
        """Send the rest, for `CLOSE_SECONDS` at most, and end the thread."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.shutdown(CLOSE_SECONDS * 1000)  # collects once more, so it comes before the removal
            self._provider.remove_metric_reader(reader)


class _SpanExporter(SpanExporter):
    """An exporter that may be shut down twice: by the time limit, and when everything is sent."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._shut_down = threading.Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        if self._shut_down.acquire(blocking=False):
            self._exporter.shutdown()


class _Reader(PeriodicExportingMetricReader):
    """A reader that may be shut down twice: by us, and by the provider when it removes the reader."""

    _was_shut_down = False

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        if not self._was_shut_down:
            self._was_shut_down = True
            super().shutdown(timeout_millis, **kwargs)


@contextmanager
def _outside_the_sandbox() -> Generator[None]:
    """Let the block import modules and open files, even in a workflow on a worker without our plugin."""
    if not workflow.in_workflow():
        yield
        return
    with workflow.unsafe.sandbox_unrestricted(), workflow.unsafe.imports_passed_through():
        yield


def exports(signal: str) -> bool:
    """Tell whether the standard variables want `signal` ("traces", "metrics") exported.

    Raises:
        ValueError: If they ask for an exporter or a protocol that we do not have.
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    wanted = os.environ.get(variable, "").strip().lower() or "otlp"
    if wanted == "none":
        return False
    protocol = (
        os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
        or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        or _PROTOCOL
    )
    if wanted != "otlp" or protocol != _PROTOCOL:
        raise ValueError(
            f"OTelPlugin: {variable}={wanted!r} with protocol {protocol!r} is not supported. Known: 'otlp' "
            f"with {_PROTOCOL!r}, and 'none'. For another exporter set {variable}=none and set up your own "
            "provider, or add your processor to opentelemetry.trace.get_tracer_provider() after connecting"
        )
    return True
