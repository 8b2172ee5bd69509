"""The client of the worker that runs an activity."""

from contextvars import ContextVar

from temporalio import activity
from temporalio.client import Client

_client: ContextVar[Client | None] = ContextVar("strands_temporal_client", default=None)


def remember_client(client: Client | None) -> None:
    """Store the worker's client for the activity that begins. temporalio gives a sync activity no client."""
    _client.set(client)


def worker_client() -> Client:
    """Return the client of the worker that runs this activity.

    Raises:
        RuntimeError: In a sync activity of a worker without `StrandsPlugin`.
    """
    return _client.get() or activity.client()
