"""Makes the ids of the tool calls in one model answer unique.

Strands matches results, interrupts and their responses to calls by these ids, but some servers give two calls
the same id. Strands leaves a call with an empty id out of the message, so this module does not count such a
call and keeps its id empty.
"""

from typing import Any, cast

from strands.types.streaming import StreamEvent

_LONGEST = 64  # Amazon Bedrock's limit; other providers accept longer ids, or ids of a fixed length
_NO_CALL = object()


class UnequalIds:
    """Makes the ids of one answer's tool calls unique, event by event, so that a stream has the new ids.

    The first call with an id keeps the id. Later calls with the same id get a suffix `_2`, `_3`, ...

    Attributes:
        calls: Number of calls so far whose id was not empty.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._used: set[str] = set()
        self._open: Any = _NO_CALL  # id of the call in the current block

    def __call__(self, event: StreamEvent) -> StreamEvent:
        """Return the event with its call's unique id; the same object if the id does not change."""
        if "contentBlockStop" in event:
            self._open = _NO_CALL
        for kind, part in (("contentBlockStart", "start"), ("contentBlockDelta", "delta")):
            block = cast("dict[str, Any] | None", event.get(kind))
            if block is None:
                continue
            if kind == "contentBlockStart":
                self._open = _NO_CALL
            inner: Any = block.get(part)
            use: Any = inner.get("toolUse") if isinstance(inner, dict) else None
            if isinstance(use, dict) and "toolUseId" in use:
                return self._with_id(event, kind, part)
        return event

    def _with_id(self, event: Any, kind: str, part: str) -> StreamEvent:
        block = event[kind]
        use = block[part]["toolUse"]
        if self._open is _NO_CALL:  # Strands takes the first id of a block
            self._open = self._unused(use["toolUseId"])
        if use["toolUseId"] == self._open:
            return event
        changed = {**block, part: {**block[part], "toolUse": {**use, "toolUseId": self._open}}}
        return cast("StreamEvent", {**event, kind: changed})

    def _unused(self, given: Any) -> Any:
        if not given:
            return given
        self.calls += 1
        number, candidate = 1, given
        while str(candidate) in self._used:  # compared as text, because interrupt ids contain the text
            number += 1
            suffix = f"_{number}"
            candidate = f"{str(given)[: _LONGEST - len(suffix)]}{suffix}"
        self._used.add(str(candidate))
        return candidate
