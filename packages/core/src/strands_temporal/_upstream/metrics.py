"""Counts metrics in a workflow once: Strands' own, with any meter provider, and ours."""

import threading
from collections import OrderedDict
from typing import Any

from temporalio import workflow

from .passes import is_live
from .run_local import run_local
from .stand_in import StandIn
from .teardown import is_torn_down

_REMEMBERED = 4096  # runs; a workflow task that fails is retried within seconds


class WorkflowMetricsClient(StandIn):
    """The class of Strands' metrics client. In a workflow its instruments do not count during a replay."""

    def __init__(self, original: Any) -> None:
        super().__init__(original)
        self._latest: tuple[Any, _OnceClient] | None = None

    def __call__(self) -> Any:
        client = self._original()
        if not workflow.in_workflow():
            return client
        latest = self._latest
        if latest is None or latest[0] is not client:  # Strands has one, and asks for it several times a turn
            latest = self._latest = client, _OnceClient(client)
        return latest[1]


class _OnceClient:
    def __init__(self, client: Any) -> None:
        self._client = client
        self._instruments: dict[str, tuple[Any, _OnceInstrument]] = {}

    def __getattr__(self, name: str) -> Any:
        instrument = getattr(self._client, name)
        known = self._instruments.get(name)
        if known is None or known[0] is not instrument:
            known = self._instruments[name] = instrument, _OnceInstrument(instrument)
        return known[1]


class _OnceInstrument:
    """A counter or a histogram of OpenTelemetry."""

    def __init__(self, instrument: Any) -> None:
        self._instrument = instrument

    def add(self, *value: Any, **options: Any) -> None:
        if is_new_value():
            self._instrument.add(*value, **options)

    def record(self, *value: Any, **options: Any) -> None:
        if is_new_value():
            self._instrument.record(*value, **options)


class _RunValues:
    """How many values this run, or this replay of it, has recorded."""

    def __init__(self) -> None:
        self.number = 0


class _Recorded:
    """The number of values that this process has recorded, for each of the latest runs."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def raise_to(self, run_id: str, number: int) -> bool:
        """Record that a run has `number` values. Return whether that is more than were recorded before."""
        with self._lock:
            if number <= self._numbers.get(run_id, 0):
                return False
            self._numbers[run_id] = number
            self._numbers.move_to_end(run_id)
            if len(self._numbers) > _REMEMBERED:
                self._numbers.popitem(last=False)
        return True


_recorded = _Recorded()


def is_new_value() -> bool:
    """Tell whether to count the value that workflow code gives to a metric now. Call it once for each value.

    The answer is no during a replay, and if this process retries a workflow task that failed.
    """
    if is_torn_down():
        return False
    if workflow.unsafe.is_read_only():  # a query or a validator: no replay repeats it
        return True
    values = run_local(_RunValues)
    values.number += 1
    return is_live() and _recorded.raise_to(workflow.info().run_id, values.number)
