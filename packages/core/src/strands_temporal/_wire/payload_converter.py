"""The payload converter that `StrandsPlugin` sets: pydantic's, whose validators a process shares.

Temporal makes payload converters for each workflow and each of its activations, and pydantic's makes a
validator for each type that it decodes. Without sharing, each workflow would make those of Temporal's,
Strands' and our types again.
"""

from typing import Any

from pydantic import TypeAdapter
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import DefaultPayloadConverter, EncodingPayloadConverter, SerializationContext
from typing_extensions import override

from .process_wide import is_of_ours, is_process_wide_hint
from .reading import unreadable

_PLAIN = PydanticJSONPlainPayloadConverter()
_JSON = _PLAIN.encoding.encode()
_USUAL = {one.encoding.encode(): one for one in DefaultPayloadConverter.default_encoding_payload_converters}
_MOST_ADAPTERS = 1024  # as many as Temporal's converter keeps

_adapters: dict[Any, TypeAdapter[Any]] = {}
"""Of types that the process has once, so nothing in them belongs to a workflow."""


class SharingJSONConverter(EncodingPayloadConverter):
    """Temporal's pydantic converter. A type that the whole process has is prepared once in the process."""

    def __init__(self) -> None:
        self._own: PydanticJSONPlainPayloadConverter | None = None

    @property
    @override
    def encoding(self) -> str:
        """See base class."""
        return _PLAIN.encoding

    @override
    def to_payload(self, value: Any) -> Payload | None:
        """See base class."""
        return _PLAIN.to_payload(value)

    @override
    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """See base class.

        Raises:
            AgentValueError: If the payload does not hold the value of our own that the workflow wants. It
                ends the workflow: any other error would repeat the workflow task for ever.
        """
        adapter = _adapter(Any if type_hint is None else type_hint)
        if adapter is not None:
            try:
                return adapter.validate_json(payload.data)
            except ValueError as error:
                if is_of_ours(type_hint):
                    raise unreadable(f"A value of type {type_hint!r}", error) from error
                raise
        if self._own is None:
            self._own = PydanticJSONPlainPayloadConverter()
        return self._own.from_payload(payload, type_hint)


class SharingPayloadConverter(PydanticPayloadConverter):
    """`temporalio.contrib.pydantic.PydanticPayloadConverter`, with `SharingJSONConverter` in it.

    It is quick to make: Temporal makes two for each activation of a workflow.
    """

    def __init__(self) -> None:  # pyright: ignore[reportMissingSuperCall]  # that of its base class
        self.converters = {**_USUAL, _JSON: SharingJSONConverter()}

    @override
    def get_converters_with_context(
        self, context: SerializationContext
    ) -> list[EncodingPayloadConverter] | None:
        """Return None, as its base class does after asking each converter: none takes a context."""
        if type(self) is SharingPayloadConverter:
            return None
        return super().get_converters_with_context(context)


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """Return the process's adapter for a type; None for a type of a workflow's sandbox, or after too many."""
    try:
        known = _adapters.get(hint)
    except TypeError:  # it has no hash
        return None
    if known is None and len(_adapters) < _MOST_ADAPTERS and is_process_wide_hint(hint):
        known = _adapters[hint] = TypeAdapter(hint)
    return known
