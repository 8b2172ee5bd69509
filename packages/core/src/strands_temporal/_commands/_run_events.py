"""Reads the events of one run: payloads decoded, failures as text, activities with their later events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter, PayloadConverter
from temporalio.exceptions import ApplicationError, FailureError

from .._wire.tool_call import HOOK_HEADER, TOOL_HEADER
from ._chains import Run
from ._payloads import PayloadReader

_SUFFIX = "_event_attributes"


@dataclass
class ReadEvent:
    """One event.

    Attributes:
        id: Its number in the run.
        name: What happened: "activity_task_scheduled".
        at: When, in UTC.
        attributes: Its attributes, as protobuf.
        places: Where the reader has its values: "input", "result", "summary".
        sizes: Bytes of these values.
        failure: The failure that it reports, decoded.
    """

    id: int
    name: str
    at: datetime
    attributes: Any
    places: dict[str, range] = field(default_factory=dict[str, range])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    failure: BaseException | None = None


class RunEvents:
    """The events of one run, in order.

    Args:
        run: The run.
        reader: Reads its payloads.
        converter: Reads its failures.
    """

    def __init__(self, run: Run, reader: PayloadReader, converter: DataConverter) -> None:
        self._run = run
        self._reader = reader
        self._converter = converter
        self._events: list[ReadEvent] = []

    async def read(self) -> None:
        """Read all payloads and failures."""
        for event in self._run.events:
            which = event.WhichOneof("attributes") or _SUFFIX
            attributes = getattr(event, which) if which != _SUFFIX else event
            read = ReadEvent(event.event_id, which.removesuffix(_SUFFIX), when(event.event_time), attributes)
            for name, payloads in _payloads_of(event, attributes).items():
                read.places[name] = self._reader.want(payloads)
                read.sizes[name] = sum(payload.ByteSize() for payload in payloads)
            if (failure := _failure_of(attributes)) is not None:
                read.failure = await read_failure(failure, self._converter)
            self._events.append(read)
        await self._reader.read()

    def __iter__(self) -> Iterator[ReadEvent]:
        return iter(self._events)

    def values(self, event: ReadEvent, name: str) -> list[Any]:
        """Return an event's values of this name: "input", "result" or "summary"."""
        places = event.places.get(name)
        return [] if places is None else self._reader.values(places)

    def value(self, event: ReadEvent, name: str) -> Any:
        """Return an event's only value of this name; None if there is none, the list if there are more."""
        values = self.values(event, name)
        return values[0] if len(values) == 1 else values or None


async def read_failure(failure: Failure, converter: DataConverter) -> BaseException:
    """Return the exception that a failure holds. Without a fitting converter, it holds the plain text."""
    copy = Failure.FromString(failure.SerializeToString())  # decoding changes it
    try:
        return await converter.decode_failure(copy)
    except Exception:  # noqa: BLE001  # the user's converter or codec may raise anything
        return ApplicationError(failure.message, type=failure.application_failure_info.type or None)


def error_text(error: BaseException | None) -> dict[str, str] | None:
    """Return type and message of a failure: of the one that an activity or a child workflow wraps."""
    while (
        isinstance(error, FailureError)
        and not isinstance(error, ApplicationError)
        and error.cause is not None
    ):
        error = error.cause
    if error is None:
        return None
    kind = (error.type if isinstance(error, ApplicationError) else None) or type(error).__name__
    return {"type": kind, "message": error.message if isinstance(error, FailureError) else str(error)}


def when(timestamp: Timestamp) -> datetime:
    """Return a time of the server's."""
    return timestamp.ToDatetime(tzinfo=timezone.utc)


def tool_header(headers: Mapping[str, Payload]) -> object:
    """Return the value of the header by which a tool call's activity is known; None without one."""
    return _header(headers, TOOL_HEADER)


def is_hook(headers: Mapping[str, Payload]) -> bool:
    """Tell whether an activity ran for a hook."""
    return HOOK_HEADER in headers


def _header(headers: Mapping[str, Payload], name: str) -> object:
    if name not in headers:
        return None
    try:  # plain JSON, whatever converter the user has (`_workflow/idempotency.py`)
        return PayloadConverter.default.from_payload(headers[name])
    except Exception:  # noqa: BLE001  # a worker may encode its headers
        return None


def _payloads_of(event: HistoryEvent, attributes: Any) -> dict[str, Sequence[Payload]]:
    found: dict[str, Sequence[Payload]] = {}
    if event.HasField("user_metadata") and event.user_metadata.HasField("summary"):
        found["summary"] = [event.user_metadata.summary]
    names = cast("Sequence[str]", attributes.DESCRIPTOR.fields_by_name)
    for name in ("input", "result", "details"):
        value = getattr(attributes, name, None) if name in names else None
        if value is not None and hasattr(value, "payloads"):
            found[name] = value.payloads
    if "accepted_request" in names:
        found["input"] = attributes.accepted_request.input.args.payloads
    if "outcome" in names and attributes.outcome.HasField("success"):
        found["result"] = attributes.outcome.success.payloads
    if "details" in names and event.HasField("marker_recorded_event_attributes"):
        found["details"] = [
            payload for payloads in attributes.details.values() for payload in payloads.payloads
        ]
    return {name: payloads for name, payloads in found.items() if payloads}


def _failure_of(attributes: Any) -> Failure | None:
    names = cast("Sequence[str]", attributes.DESCRIPTOR.fields_by_name)
    if "outcome" in names:
        return attributes.outcome.failure if attributes.outcome.HasField("failure") else None
    if "failure" in names and attributes.HasField("failure"):
        return attributes.failure
    return None
