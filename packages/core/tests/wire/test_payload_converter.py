"""The payload converter decodes as Temporal's pydantic one, and prepares each type once in a process."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.contrib.workflow_streams import PollInput, PollResult
from temporalio.converter import (
    BinaryPlainPayloadConverter,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from strands_temporal._wire import payload_converter
from strands_temporal._wire.payload_converter import SharingJSONConverter, SharingPayloadConverter
from strands_temporal._wire.process_wide import is_process_wide, is_process_wide_hint


@dataclass
class Order:
    name: str
    count: int = 1


class Model(BaseModel):
    orders: list[Order]


CASES: Sequence[tuple[Any, Any]] = [
    (Order("a", 2), Order),
    ([Order("a")], list[Order]),
    ({"a": {"b": [1, None]}}, dict[str, Any]),
    (Model(orders=[Order("a")]), Model),
    (PollInput(topics=["a"], from_offset=3), PollInput),
    ("text", str),
    ({"a": 1}, None),
    (b"bytes", bytes),
]


@pytest.mark.parametrize(("value", "hint"), CASES)
def test_decodes_as_pydantics_converter(value: Any, hint: Any) -> None:
    ours, theirs = SharingPayloadConverter(), PydanticPayloadConverter()
    (payload,) = theirs.to_payloads([value])
    assert ours.to_payloads([value]) == [payload]
    decoded = ours.from_payload(payload, hint)
    assert decoded == value
    assert type(decoded) is type(theirs.from_payload(payload, hint))


def test_refuses_what_does_not_fit() -> None:
    (payload,) = SharingPayloadConverter().to_payloads([{"name": "a", "count": "many"}])
    with pytest.raises(ValidationError, match="count"):
        SharingPayloadConverter().from_payload(payload, Order)


def test_a_type_is_prepared_once_for_all_converters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload_converter, "_adapters", kept := dict[Any, Any]())
    (payload,) = SharingPayloadConverter().to_payloads([PollResult(items=[])])
    SharingPayloadConverter().from_payload(payload, PollResult)
    (adapter,) = kept.values()
    SharingPayloadConverter().from_payload(payload, PollResult)  # as Temporal makes one for each workflow
    assert kept == {PollResult: adapter}


def test_a_sandboxs_types_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    again = dataclass(type("Order", (), {"__annotations__": {"name": str}, "__module__": __name__}))
    assert is_process_wide(Order)
    assert not is_process_wide(again)
    assert not is_process_wide_hint(dict[str, list[again]])
    (payload,) = SharingPayloadConverter().to_payloads([{"name": "a"}])
    monkeypatch.setattr(payload_converter, "_adapters", kept := dict[Any, Any]())
    assert isinstance(SharingPayloadConverter().from_payload(payload, again), again)
    assert not kept
    with monkeypatch.context() as patch:  # the workflow has its own module, which the annotations refer to
        modules = {**sys.modules, __name__: ModuleType("x")}
        patch.setattr("strands_temporal._wire.process_wide.sys", SimpleNamespace(modules=modules))
        assert not is_process_wide(Order)


def test_it_tries_the_encodings_of_pydantics_converter_in_their_order() -> None:
    ours, pydantics = SharingPayloadConverter(), PydanticPayloadConverter()
    assert list(ours.converters) == list(pydantics.converters)
    changed = [
        one for key, one in ours.converters.items() if type(one) is not type(pydantics.converters[key])
    ]
    assert [type(one) for one in changed] == [SharingJSONConverter]


def test_no_converter_of_it_takes_a_context_and_a_subclass_may_have_one() -> None:
    class Noting(BinaryPlainPayloadConverter, WithSerializationContext):
        def with_context(self, context: SerializationContext) -> "Noting":
            return Noting()

    class WithNoting(SharingPayloadConverter):
        def __init__(self) -> None:
            super().__init__()
            self.converters = {**self.converters, b"binary/plain": Noting()}

    context = WorkflowSerializationContext(namespace="default", workflow_id="w")
    ours, theirs = SharingPayloadConverter(), WithNoting()
    assert ours.with_context(context) is ours
    assert PydanticPayloadConverter().get_converters_with_context(context) is None
    assert theirs.with_context(context).converters[b"binary/plain"] is not theirs.converters[b"binary/plain"]
