"""The receiver of the tracing tests."""

import os
from collections.abc import Generator

import pytest
from opentelemetry import trace
from packages.otel.tests.otlp_receiver import Receiver, otlp_receiver
from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with otlp_receiver() as receiver:
        for name in [name for name in os.environ if name.startswith("OTEL_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver
        provider = trace.get_tracer_provider()
        if isinstance(provider, ReplaySafeTracerProvider):
            provider.shutdown()  # a late span may have reopened the export for this receiver
