"""What clients send about client calls: as updates, or by signal if the run has no room for an update."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from .._wire.client_tools import (
    ANSWER_QUERY,
    CLAIM_UPDATE,
    MALFORMED,
    REFUSED_UPDATE,
    RESULT_UPDATE,
    SIGNAL,
)
from .._wire.failure_sizes import text_of
from .answered_updates import DeduplicatedUpdates
from .client_call_book import CallBook
from .client_call_messages import refusal
from .current_details import describe_query

_UPDATES = (RESULT_UPDATE, REFUSED_UPDATE, CLAIM_UPDATE)

_KEPT = 100
"""How many of the latest messages that came by signal are remembered."""

_TAKEN = "strands-temporal-client-message"
"""Prefix of patch ids, one per signal, so that a replay takes the same messages as the first run."""

_FOR_CLIENTS = "For clients of this workflow's client tools: ClientTools in strands_temporal"


class CallInbox:
    """Takes the messages of clients for a book of calls. A message that comes again gets its first answer.

    Args:
        book: The workflow's calls.
    """

    def __init__(self, book: CallBook) -> None:
        self._book = book
        self._updates = DeduplicatedUpdates()
        self._signalled: dict[str, dict[str, Any]] = {}
        self._came = 0

    def take_over(self, carried: Mapping[str, Any]) -> None:
        """Take over the answers of an earlier run."""
        self._updates = DeduplicatedUpdates({**carried.get("answered", {}), **self._updates.carry()})
        self._signalled = {**carried.get("signalled", {}), **self._signalled}

    def carried(self) -> dict[str, Any]:
        """Return the answers for the next run, as JSON values."""
        return {"answered": self._updates.carry(), "signalled": dict(self._signalled)}

    def open(self) -> None:
        """Register the updates, the signal, and the query for a signal's answer."""
        for name in _UPDATES:
            workflow.set_update_handler(name, self._handler(name), validator=self._validator(name))
        workflow.set_signal_handler(SIGNAL, self._by_signal)
        workflow.set_query_handler(ANSWER_QUERY, self._answer_query)
        describe_query(ANSWER_QUERY, _FOR_CLIENTS)

    def _check(self, name: str, message: Any, *, fits: bool = True) -> None:
        now = workflow.now()
        if name == CLAIM_UPDATE:
            self._book.check_claim(message, now)
        elif name == REFUSED_UPDATE:
            self._book.check_refusal(message, now)
        else:
            self._book.check_result(message, now, fits=fits)

    def _take(self, name: str, message: Any) -> dict[str, Any]:
        now = workflow.now()
        if name == CLAIM_UPDATE:
            return self._book.claim(message, now)
        take = self._book.take_refusal if name == REFUSED_UPDATE else self._book.take_result
        return take(message, now)

    def _validator(self, name: str) -> Callable[[Any], None]:
        def validate(message: Any) -> None:
            info = workflow.current_update_info()
            request = info.id if info else ""
            if request not in self._updates.carry() and "answer" not in self._signalled.get(request, {}):
                self._check(name, message)

        return validate

    def _handler(self, name: str) -> Callable[[Any], Any]:
        async def handle(message: Any) -> dict[str, Any]:
            async def take() -> dict[str, Any]:
                info = workflow.current_update_info()
                came = self._signalled.get(info.id, {}) if info else {}  # it may have come by signal before
                return came["answer"] if "answer" in came else self._take(name, message)

            return await self._updates.run_once(take)

        return handle

    def _by_signal(self, *given: Any) -> None:
        """Take a message for which the run had no room as an update. It raises nothing."""
        envelope = cast("Mapping[str, Any]", given[0]) if given and isinstance(given[0], Mapping) else {}
        request, name = envelope.get("request"), envelope.get("update")
        if not isinstance(request, str) or request in self._signalled or request in self._updates.carry():
            return
        self._came += 1
        marker = f"{_TAKEN}-{self._came}"
        seen = workflow.unsafe.is_replaying() and workflow.patched(marker)
        try:
            if name not in _UPDATES:
                raise refusal(MALFORMED, f"{str(cast('Any', name))[:100]!r} is no update of client tools")
            self._check(str(name), envelope.get("value"), fits=not seen)
        except ApplicationError as error:
            answer = {"refused": error.message, "type": error.type or ""}
        except Exception as error:  # noqa: BLE001  # a schema that cannot be applied; as an update it is refused
            answer = {"refused": text_of(error), "type": type(error).__name__}
        else:
            if not workflow.patched(marker):
                return
            answer = {"answer": self._take(str(name), envelope.get("value"))}
        self._signalled[request] = answer
        for oldest in list(self._signalled)[:-_KEPT]:
            del self._signalled[oldest]

    def _answer_query(self, request: Any = None, *_: Any) -> dict[str, Any]:
        if request in (answered := self._updates.carry()):
            return {"answer": answered[request]}
        return self._signalled.get(request, {}) if isinstance(request, str) else {}
