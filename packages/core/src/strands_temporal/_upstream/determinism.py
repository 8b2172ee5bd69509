"""Gives Strands the workflow's clock, ids and random numbers.

Strands is a passthrough module of the sandbox, so it does not see Temporal's deterministic replacements.
"""

import random
import uuid
import zlib
from datetime import datetime, tzinfo
from typing import Any

from temporalio import workflow

from .answers import answers_random
from .run_local import run_local
from .stand_in import StandIn


class _Ids:
    """The source of a run's ids.

    Attributes:
        random: A random stream of our own, so that drawing our ids does not change the user's random
            sequence.
        last_uuid7: Milliseconds and counter of the latest snapshot id.
    """

    def __init__(self) -> None:
        self.random = workflow.new_random("strands")
        self.last_uuid7 = 0


class _Drawing(StandIn):
    """A stand-in that draws random ids."""

    def draw(self) -> random.Random:
        return (answers_random() if self.of_an_answer else None) or run_local(_Ids).random


class WorkflowTime(StandIn):
    def time(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._original.time()

    def monotonic(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._original.monotonic()

    def perf_counter(self) -> float:
        return workflow.time() if workflow.in_workflow() else self._original.perf_counter()


class WorkflowUuid(_Drawing):
    def uuid4(self) -> uuid.UUID:
        return _uuid4(self.draw()) if _may_draw() else self._original.uuid4()


class WorkflowUuid4(_Drawing):
    def __call__(self) -> uuid.UUID:
        return _uuid4(self.draw()) if _may_draw() else self._original()


class WorkflowDatetime(StandIn):
    def now(self, tz: tzinfo | None = None) -> datetime:
        if not workflow.in_workflow():
            return self._original.now(tz)
        # Workers may be in several time zones, so a naive time is UTC.
        return workflow.now().astimezone(tz) if tz else workflow.now().replace(tzinfo=None)


class WorkflowUuid7(StandIn):
    """Strands' snapshot ids, which sort by creation order.

    Strands' own counter is shared by the whole process, so a replay would get different ids.
    """

    def __call__(self) -> str:
        if not _may_draw():
            return self._original()
        ids = run_local(_Ids)
        # 48 bits of milliseconds, 12 of a counter
        ordered = ids.last_uuid7 = max(int(workflow.time() * 1000) << 12, ids.last_uuid7 + 1)
        value = (ordered >> 12) << 80 | 0x7 << 76 | (ordered & 0xFFF) << 64 | 0b10 << 62
        return str(uuid.UUID(int=value | ids.random.getrandbits(62)))


class WorkflowRandom(StandIn):
    def randint(self, a: int, b: int) -> int:
        return run_local(_Ids).random.randint(a, b) if _may_draw() else self._original.randint(a, b)


class WorkflowSwarmState(StandIn):
    """The class of a swarm's state. In a workflow its start time is the workflow's time."""

    def __call__(self, **values: Any) -> Any:
        if workflow.in_workflow():
            values.setdefault("start_time", workflow.time())
        return self._original(**values)


def hash_of_node(node: Any) -> int:
    """Stands in for the hash of a graph's node.

    Strands takes the hash of the node's id, a string, which is a different number in each process (1.62:
    graph.py:204). A graph keeps its nodes and edges in sets, and a set's order follows the hashes. So another
    worker would start parallel nodes in a different order, and each node would get another node's answers.
    """
    return zlib.crc32(node.node_id.encode("utf-8", "surrogatepass"))


def hash_of_edge(edge: Any) -> int:
    """Stands in for the hash of a graph's edge, for the same reason (1.62: graph.py:277)."""
    return hash((hash_of_node(edge.from_node), hash_of_node(edge.to_node)))


def _uuid4(source: random.Random) -> uuid.UUID:
    return uuid.UUID(int=source.getrandbits(128), version=4)


def _may_draw() -> bool:
    """Tell whether this code runs again at a replay, so that it may draw from the run's random stream.

    A query or a validator does not run again, so a draw there would change the ids after it.
    """
    return workflow.in_workflow() and not workflow.unsafe.is_read_only()
