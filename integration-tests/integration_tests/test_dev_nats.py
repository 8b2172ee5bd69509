"""`strands-temporal dev --nats`: a chat whose answers go over a NATS server of its own."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest
from packages.core.tests.command_processes import HELLO, Folder, dev_running, piped, user_folder
from temporalio.client import Client

from strands_temporal_streaming import AgentStream, TextDelta, TurnEnd
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder]:
    with user_folder(tmp_path) as made:
        made.write(
            "hello.py", HELLO.replace("TemporalAgent(start", 'TemporalAgent(streaming_topic="events", start')
        )
        yield made


def test_the_answers_of_a_chat_go_over_nats_and_the_server_ends_with_dev(folder: Folder) -> None:
    with dev_running(folder, "hello.py", "--model", "scripted", "--nats") as dev:
        address = dev.event("server")["address"]
        note = dev.event("note", lambda event: "nats://" in event["text"])["text"]
        url = next(word for word in note.split() if word.startswith("nats://")).rstrip(":")
        dev.event("ready")
        assert [line for line in dev.commands if "nats-server" in line and "-js" in line]
        code, out, err = piped(folder, "chat", typed="Hi\n")
        assert (code, out.strip()) == (0, "You said: Hi"), err
        workflow_id = err.split("Conversation ")[1].split()[0].rstrip(".")
        assert asyncio.run(_streamed(address, url, workflow_id)) == "You said: Hi"
        assert dev.end() == 0


async def _streamed(address: str, url: str, workflow_id: str) -> str:
    """Return what went over NATS, and check that nothing of it is in the history."""
    client = await Client.connect(address)
    transport = NATSTransport(url)
    text = ""
    async for event in AgentStream(client, workflow_id, transport=transport):
        if isinstance(event, TextDelta):
            text += event.text
        if isinstance(event, TurnEnd):
            break
    await transport.close()
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    signals = {event.workflow_execution_signaled_event_attributes.signal_name for event in history.events}
    assert "__temporal_workflow_stream_publish" not in signals
    return text.strip()
