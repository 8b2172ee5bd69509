"""A reader for tests to kill: writes the offset and the text of each event, and whether it is the end."""

import asyncio
import json
import sys

from temporalio.client import Client

from strands_temporal_streaming import AgentStream, End, OutputLost, StreamGap, TextDelta
from strands_temporal_streaming.nats import NATSTransport


async def main(address: str, workflow_id: str, nats: str, offset: str) -> None:
    client = await Client.connect(address)
    transport = NATSTransport(nats)
    async for event in AgentStream(client, workflow_id, transport=transport, from_offset=int(offset)):
        assert not isinstance(event, (OutputLost, StreamGap))
        text = event.text if isinstance(event, TextDelta) else ""
        sys.stdout.write(json.dumps([event.offset, text, isinstance(event, End)]) + "\n")
        sys.stdout.flush()
    await transport.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
