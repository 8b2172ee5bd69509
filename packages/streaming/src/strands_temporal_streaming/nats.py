"""Carries what streams over NATS JetStream: no history events, and many readers.

    transport = NATSTransport("nats://nats:4222")
    StreamingPlugin(transport=transport)                          # on the workers
    AgentStream(client, workflow_id, transport=transport)         # in each reader

It needs the extra `nats` of strands-temporal-streaming (nats-py), and a NATS server with JetStream.
"""

from ._nats.transport import NATSTransport

__all__ = ["NATSTransport"]
