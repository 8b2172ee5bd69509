"""Opens the streams of threads, all over one transport."""

from temporalio.client import Client

from .._client import AgentStream
from .._transport import StreamTransport, WorkflowStreamTransport, default_transport


class Streams:
    """The streams of an app's threads.

    Args:
        client: The Temporal client.
        transport: The transport of the workers; None for the one that the environment names.

    Attributes:
        is_merged: Whether the pieces of texts come beside the workflow's log.
    """

    def __init__(self, client: Client, transport: StreamTransport | None) -> None:
        self._client = client
        self._transport = transport or default_transport()
        self.is_merged = not isinstance(self._transport, WorkflowStreamTransport)

    def open(self, thread: str, topic: str, offset: int) -> AgentStream:
        """Return a thread's stream from an offset on."""
        return AgentStream(self._client, thread, topic=topic, from_offset=offset, transport=self._transport)
