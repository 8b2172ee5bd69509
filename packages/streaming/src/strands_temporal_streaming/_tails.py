"""The tail of an attempt: what the model has written since the last batch, in the activity's heartbeat.

A batch in the workflow's stream costs four events of history. A heartbeat costs none, and everyone who
describes the workflow gets its details. So the worker tells the newest characters in heartbeats, and sends
fewer batches. A tail is never the only copy: the next batch has the same characters.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest
from temporalio.client import Client
from temporalio.converter import DataConverter, WorkflowSerializationContext

from strands_temporal.extension import read_as

MODEL_ACTIVITIES = frozenset({"invoke_model", "invoke_model_streaming"})
"""The activities that tell tails: core's model calls."""

LONGEST_TAIL = 16 * 1024
"""Characters. More than that waits for the next batch."""

_TIMEOUT = timedelta(seconds=2)


@dataclass(frozen=True)
class Tail:
    """The newest characters of an attempt.

    Attributes:
        topic: The agent's topic.
        call: Identity of the call.
        attempt: Temporal's number of the attempt.
        started_at: When the attempt started.
        at: Characters of the attempt before the tail.
        event: The model's event: one merged delta.
        every: Milliseconds until the next tail, at the earliest.
    """

    topic: str = ""
    call: str = ""
    attempt: int = 0
    started_at: str = ""
    at: int = 0
    event: dict[str, Any] = field(default_factory=dict[str, Any])
    every: int = 0


class TailTeller:
    """Tells the tails of this activity.

    Args:
        client: The worker's client.
        info: The activity.
    """

    def __init__(self, client: Client, info: activity.Info) -> None:
        self._client = client
        self._token = info.task_token
        self._converter = _in_workflow(client.data_converter, client.namespace, info.workflow_id or "")

    async def tell(self, tail: Tail) -> None:
        """Put the tail into the activity's heartbeat.

        Raises:
            RPCError: The server does not take it.
        """
        details = await self._converter.encode([{"tail": asdict(tail)}])
        # Not `activity.heartbeat`: the SDK holds heartbeats back, by default for up to 30 seconds.
        await self._client.workflow_service.record_activity_task_heartbeat(
            RecordActivityTaskHeartbeatRequest(
                namespace=self._client.namespace,
                task_token=self._token,
                identity=self._client.identity,
                details=Payloads(payloads=details),
            ),
            timeout=_TIMEOUT,
        )


class TailReader:
    """Decodes the heartbeats of a workflow's model calls.

    Args:
        client: The reader's client.
        workflow_id: Id of the workflow.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._converter = _in_workflow(client.data_converter, client.namespace, workflow_id)
        self._decoded: tuple[tuple[bytes, ...], Sequence[Tail]] = ((), ())

    async def tails(self, heartbeats: Iterable[bytes]) -> Sequence[Tail]:
        """Return the tails among the heartbeats' details. Details of another kind are skipped."""
        given = tuple(heartbeats)
        if self._decoded[0] != given:
            self._decoded = (given, [tail for one in given if (tail := await self._tail(one)) is not None])
        return self._decoded[1]

    async def _tail(self, heartbeat: bytes) -> Tail | None:
        try:
            (value,) = await self._converter.decode([Payload.FromString(heartbeat)])
            return read_as(Tail, value["tail"])
        except Exception:  # noqa: BLE001 - of a user, of a newer release, or of another codec: the log has it all
            return None


def _in_workflow(converter: DataConverter, namespace: str, workflow_id: str) -> DataConverter:
    return converter.with_context(WorkflowSerializationContext(namespace=namespace, workflow_id=workflow_id))
