"""Strands' work on all messages at each model call is cheaper in a workflow, with the same outcome."""

import copy
import inspect
import uuid
from collections import OrderedDict
from typing import Any

import pytest
from conftest import Agents
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from strands import Agent
from strands.telemetry import tracer as strands_tracer
from strands.telemetry.tracer import Tracer
from strands.types.exceptions import ContextWindowOverflowException
from temporalio import workflow
from temporalio.worker import ReplayerConfig
from temporalio.workflow import NondeterminismError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.cost import QuietTracer, fast_deepcopy
from strands_temporal._upstream.misplaced import StrandsError
from strands_temporal._wire.failures import STRANDS_EXCEPTIONS
from strands_temporal.testing import ScriptedModel, say

MESSAGES: list[Any] = [
    {"role": "user", "content": [{"text": "Hi"}, {"image": {"source": {"bytes": b"\x89PNG"}}}]},
    {
        "role": "assistant",
        "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {"x": [1, 2.5]}}}],
    },
    {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "status": "success", "content": []}}]},
]


class Point:
    """Neither a dict nor a list."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts


class Named(dict[str, Any]):
    """A dict of a user's."""


VALUES: list[Any] = [
    MESSAGES,
    [],
    {},
    None,
    "text",
    7,
    {"deep": [[[{"a": [None, True, 1.5, b"x", "y"]}]]], 1: ({"in": ["a tuple"]},), (2, "k"): {3}},
    [OrderedDict(b=[1], a={}), Named(x=[1]), bytearray(b"y"), frozenset({1}), Point([1])],
]


@pytest.mark.parametrize("value", VALUES)
def test_a_copy_is_that_of_deepcopy(value: Any) -> None:
    copy_, deep = fast_deepcopy(value, {}), copy.deepcopy(value)
    assert shape(copy_) == shape(deep)
    assert not (places(value) & places(copy_)), "something that can change is shared"


def test_what_stands_twice_in_a_value_stands_twice_in_its_copy() -> None:
    shared: dict[str, Any] = {"a": [1]}
    point = Point([shared])
    value: list[Any] = [shared, {"again": shared}, point, point]
    value.append(value)
    copy_ = fast_deepcopy(value, {})
    assert copy_[0] is copy_[1]["again"] is copy_[2].parts[0]
    assert copy_[0] is not shared
    assert copy_[2] is copy_[3] is not point
    assert copy_[4] is copy_


def inner(value: Any) -> list[Any]:
    """Return the values inside a value."""
    if isinstance(value, dict):
        mapping: dict[Any, Any] = value
        return [item for pair in mapping.items() for item in pair]
    if isinstance(value, (list, tuple)):
        sequence: Any = value
        return list(sequence)
    return value.parts if isinstance(value, Point) else []


def shape(value: Any) -> Any:
    """Return a value's structure, including types and order."""
    parts = [shape(item) for item in inner(value)]
    return [type(value), parts or (None if isinstance(value, Point) else value)]


def places(value: Any) -> set[int]:
    """Return the ids of all dicts, lists and objects in a value."""
    changes: bool = isinstance(value, (dict, list, Point, bytearray))
    own = {id(value)} if changes else set[int]()  # pyright: ignore[reportUnknownArgumentType]  # what it holds
    return own.union(*map(places, inner(value)))


# Spans ----------------------------------------------------------------------------------------------------


@pytest.fixture(
    params=["", "gen_ai_latest_experimental", "gen_ai_latest_experimental,gen_ai_span_attributes_only"]
)
def tracer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Tracer:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    return Tracer()


def spans_of(tracer: Tracer) -> list[Any]:
    """Start and end the two spans that get the conversation; return the recorded spans."""
    model = tracer.start_model_invoke_span(messages=MESSAGES, system_prompt="Be brief.", model_id="m")
    cycle = tracer.start_event_loop_cycle_span({"event_loop_cycle_id": "c"}, messages=MESSAGES)
    for span in (model, cycle):
        span.end()
    spans: list[Any] = [model, cycle]
    return spans


def test_a_span_that_records_gets_what_strands_writes(tracer: Tracer) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer.tracer = provider.get_tracer("strands")
    times = ("gen_ai.event.start_time",)
    seen: list[Any] = []
    for each in (tracer, QuietTracer(tracer)):
        spans_of(each)
        seen.append(
            [
                (
                    span.name,
                    {key: value for key, value in (span.attributes or {}).items() if key not in times},
                    [(event.name, dict(event.attributes or {})) for event in span.events],
                )
                for span in exporter.get_finished_spans()
            ]
        )
        exporter.clear()
    assert "Be brief." in str(seen[0])
    assert seen[0] == seen[1]


def test_for_a_span_that_records_nothing_nothing_is_written(
    tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Any] = []

    def noting(value: Any) -> str:
        written.append(value)
        return ""

    monkeypatch.setattr(strands_tracer, "serialize", noting)
    spans_of(tracer)
    assert written, "Strands itself writes nothing any more: QuietTracer has no reason to be"
    written.clear()
    spans = spans_of(QuietTracer(tracer))
    assert not written
    assert not any(span.is_recording() for span in spans)


def test_strands_tracer_has_the_methods_that_are_replaced() -> None:
    for method in ("_add_event_messages", "_add_system_prompt_event"):
        assert list(inspect.signature(getattr(Tracer, method)).parameters)[:2] == ["self", "span"]
        assert getattr(QuietTracer, method) is not getattr(Tracer, method)


# Failures -------------------------------------------------------------------------------------------------


def test_one_class_stands_for_all_exceptions_of_strands() -> None:
    class Users(ContextWindowOverflowException):
        """A subclass of a user's."""

    assert len(STRANDS_EXCEPTIONS) > 10
    assert all(issubclass(cls, StrandsError) for cls in STRANDS_EXCEPTIONS.values())
    assert isinstance(Users("too long"), StrandsError)
    assert not any(issubclass(cls, StrandsError) for cls in (Exception, ValueError, NondeterminismError))
    config = StrandsPlugin(models={"a": ScriptedModel}).configure_replayer(ReplayerConfig(workflows=[]))
    assert config.get("workflow_failure_exception_types") == [StrandsError]


# In a workflow --------------------------------------------------------------------------------------------


@workflow.defn
class ThreeTurns:
    """A conversation of three turns."""

    @workflow.run
    async def run(self) -> list[Any]:
        agent = TemporalAgent("claude", system_prompt="Be brief.", callback_handler=None)
        for turn in range(3):
            await agent.invoke_async(f"turn {turn}")
        return [message["content"] for message in agent.messages]


@pytest.mark.server
async def test_a_workflow_writes_no_conversation_that_nobody_records(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    serialize = strands_tracer.serialize

    def noting(value: Any) -> str:
        text = serialize(value)
        written.append(text)
        return text

    monkeypatch.setattr(strands_tracer, "serialize", noting)
    plain = Agent(ScriptedModel(lambda call: say("Yes.")), system_prompt="Be brief.", callback_handler=None)
    for turn in range(3):
        await plain.invoke_async(f"turn {turn}")
    assert sum("Yes." in text for text in written) == 2 * (1 + 2)  # earlier answers, into two spans a turn
    written.clear()
    async with agents(
        workflows=[ThreeTurns],
        models={"claude": lambda: ScriptedModel(lambda call: say("Yes."))},
        task_queue=f"cheaper-{uuid.uuid4()}",
    ) as env:
        said = await env.run(ThreeTurns.run)
    assert said == [message["content"] for message in plain.messages]
    assert not any(text in " ".join(written) for text in ("turn", "Yes."))
