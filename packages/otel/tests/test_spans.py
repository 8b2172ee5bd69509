"""The parts of tracing that need no server: spans of our provider, names, environment variables."""

import inspect
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.metrics import get_meter_provider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strands.models.anthropic import AnthropicModel
from strands.models.bedrock import BedrockModel
from strands.models.openai import OpenAIModel

from strands_temporal.testing import ScriptedModel
from strands_temporal_otel import _types as names
from strands_temporal_otel._install import is_unset
from strands_temporal_otel._spans import AgentTracerProvider

CONTENT = {"gen_ai.input.messages": "SECRET", "gen_ai.agent.name": "Poet"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> AgentTracerProvider:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    return AgentTracerProvider()


@pytest.fixture
def exported(provider: AgentTracerProvider) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.mark.parametrize(
    ("scope", "variable", "kept"),
    [
        ("strands.telemetry.tracer", "", False),
        ("strands.telemetry.tracer", "false", False),
        ("strands.telemetry.tracer", "true", True),
        ("strands.telemetry.tracer", "SPAN_ONLY", True),
        ("users.own", "", True),
        ("strandsland", "", True),
    ],
)
def test_content_of_strands_is_kept_on_request(
    provider: AgentTracerProvider,
    exported: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
    scope: str,
    variable: str,
    kept: bool,
) -> None:
    monkeypatch.setenv(names.CAPTURE_CONTENT, variable)
    span = provider.get_tracer(scope).start_span("chat")
    span.set_attributes(CONTENT)
    span.set_attribute("gen_ai.output.messages", "SECRET")
    span.add_event("gen_ai.choice", {"message": "SECRET"})
    span.record_exception(ValueError("said as ever"))
    span.end()
    (seen,) = exported.get_finished_spans()
    assert ("SECRET" in seen.to_json()) is kept
    assert seen.attributes
    assert seen.attributes["gen_ai.agent.name"] == "Poet"
    assert [event.name for event in seen.events] == ["gen_ai.choice"] * kept + ["exception"]


async def test_a_span_may_be_a_block_or_a_decorator(
    provider: AgentTracerProvider, exported: InMemorySpanExporter
) -> None:
    tracer = provider.get_tracer("users")

    @tracer.start_as_current_span("sync")
    def twice(n: int) -> int:
        return 2 * n

    @tracer.start_as_current_span("async")
    async def thrice(n: int) -> int:
        assert trace.get_current_span().is_recording()
        return 3 * n

    with tracer.start_as_current_span("outer") as outer:
        assert trace.get_current_span() is outer
        assert twice(1) + await thrice(1) + twice(2) == 9
    with pytest.raises(KeyError), tracer.start_as_current_span("failed"):
        raise KeyError("x")
    spans = exported.get_finished_spans()
    assert [span.name for span in spans] == ["sync", "async", "sync", "outer", "failed"]
    assert {span.parent.span_id for span in spans[:3] if span.parent} == {outer.get_span_context().span_id}
    assert not spans[-1].status.is_ok
    with tracer.start_as_current_span("goes on", end_on_exit=False):
        pass
    assert len(exported.get_finished_spans()) == 5


@pytest.mark.parametrize(
    ("model", "provider_name", "attributes"),
    [
        (
            BedrockModel(region_name="us-west-2", model_id="m", temperature=0.5, max_tokens=9),
            "aws.bedrock",
            {"gen_ai.request.temperature": 0.5, "gen_ai.request.max_tokens": 9},
        ),
        (
            AnthropicModel(client_args={"api_key": "k"}, model_id="m", max_tokens=9, params={"top_p": 0.1}),
            "anthropic",
            {"gen_ai.request.max_tokens": 9, "gen_ai.request.top_p": 0.1},
        ),
        (OpenAIModel(client_args={"api_key": "k"}, model_id="m"), "openai", {}),
        (ScriptedModel(config={"model_id": "m", "stop": object()}), "ScriptedModel", {}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_span_says_of_a_model(model: Any, provider_name: str, attributes: dict[str, Any]) -> None:
    assert names.provider_name(model) == provider_name
    assert names.request_attributes(model) == attributes | {"gen_ai.request.model": "m"}


def test_the_names_are_those_of_the_conventions() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
    from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

    known = {v for m in (gen_ai_attributes, gen_ai_metrics) for v in vars(m).values() if isinstance(v, str)}
    ours = {v for k, v in vars(names).items() if k.isupper() and str(v).startswith("gen_ai.")}
    assert ours <= known
    assert len(ours) > 10


def test_opentelemetrys_stand_in_for_meters_is_known() -> None:
    """Fails if OpenTelemetry renames the placeholder that stands in until a provider is set."""
    import subprocess
    import sys

    source = inspect.getsource(is_unset)
    code = f"from opentelemetry.metrics import *\n{source}\nassert is_unset(get_meter_provider())"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert get_meter_provider() is not None
