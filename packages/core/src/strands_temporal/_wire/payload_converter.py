"""The payload converter that `StrandsPlugin` sets: pydantic's, whose validators a process shares.

Temporal makes a payload converter for each workflow, and pydantic's makes a validator for each type that it
decodes. Without sharing, each workflow would make those of Temporal's, Strands' and our types again.
"""

from typing import Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter
from typing_extensions import override

from .process_wide import is_process_wide_hint

_MOST_ADAPTERS = 1024  # as many as the base class keeps

_adapters: dict[Any, TypeAdapter[Any]] = {}
"""Of types that the process has once, so nothing in them belongs to a workflow."""


class SharingJSONConverter(PydanticJSONPlainPayloadConverter):
    """Temporal's pydantic converter. A type that the whole process has is prepared once in the process."""

    @override
    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """See base class."""
        adapter = _adapter(Any if type_hint is None else type_hint)
        if adapter is None:
            return super().from_payload(payload, type_hint)
        return adapter.validate_json(payload.data)


class SharingPayloadConverter(PydanticPayloadConverter):
    """`temporalio.contrib.pydantic.PydanticPayloadConverter`, with `SharingJSONConverter` in it."""

    def __init__(self) -> None:
        super().__init__()
        json = SharingJSONConverter()
        own = self.converters.values()
        CompositePayloadConverter.__init__(
            self, *(json if one.encoding == json.encoding else one for one in own)
        )


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """Return the process's adapter for a type; None for a type of a workflow's sandbox, or after too many."""
    try:
        known = _adapters.get(hint)
    except TypeError:  # it has no hash
        return None
    if known is None and len(_adapters) < _MOST_ADAPTERS and is_process_wide_hint(hint):
        known = _adapters[hint] = TypeAdapter(hint)
    return known
