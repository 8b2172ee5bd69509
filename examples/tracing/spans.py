"""Shows spans on the terminal, beside what `OTelPlugin` sends to a collector."""

from typing import cast

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor


def print_spans() -> None:
    """Print each span of this process when it ends. Call it after connecting: then the provider is set."""
    provider = cast("TracerProvider", trace.get_tracer_provider())
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=_line)))


def _line(span: ReadableSpan) -> str:
    context = span.get_span_context()
    return f"span of {trace.format_trace_id(context.trace_id if context else 0)}: {span.name}\n"
