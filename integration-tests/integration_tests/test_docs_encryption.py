"""docs/encryption.md: its codec hides what it says, and its codec server shows it to those who may see it."""

import asyncio
import base64
import importlib
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DefaultFailureConverter
from temporalio.worker import Replayer, Worker

from integration_tests.doc_blocks import ROOT
from integration_tests.docs_code import module_of, temporal
from integration_tests.secret_scenes import WORDS, SecretWorkflow, break_down, look_up, secret, secretive
from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer

KEY, OLD_KEY = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYLOAD_KEYS", f"new:{KEY},old:{OLD_KEY}")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's module `encryption`."""
    return module_of("encryption.md", "encryption", tmp_path, monkeypatch)


@asynccontextmanager
async def working(
    client: Client, page: Any, options: dict[str, Any], **how: Any
) -> AsyncGenerator[tuple[Client, str]]:
    """Run a worker with the page's data converter; yield its client and task queue."""
    model = secretive()
    given: dict[str, Any] = {
        "data_converter": page.encrypted_data_converter(),
        "header_codec_behavior": HeaderCodecBehavior.CODEC,
        **how,
    }
    own = Client(client.service_client, plugins=[StrandsPlugin(models={"m": lambda: model})], **given)
    queue = f"encrypted-{uuid.uuid4()}"
    activities = [look_up, break_down]
    async with Worker(own, task_queue=queue, workflows=[SecretWorkflow], activities=activities, **options):
        yield own, queue


async def stored(handle: WorkflowHandle[Any, Any]) -> bytes:
    """Return all bytes that the server has of a workflow.

    A payload has its bytes as they are: no base64 and no escape hides a word from a search.
    """
    events = (await handle.fetch_history()).events
    description = (await handle.describe()).raw_description
    return b"".join([*(event.SerializeToString() for event in events), description.SerializeToString()])


def words_in(data: bytes) -> list[str]:
    return [word for word in WORDS if secret(word).encode() in data]


# --- The history ----------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.usefixtures("keys")
async def test_no_word_of_a_conversation_is_in_its_history(
    client: Client, page: Any, worker_options: dict[str, Any]
) -> None:
    async with working(client, page, worker_options) as (own, queue):
        handle = await own.start_workflow(SecretWorkflow.run, secret("PROMPT"), id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), 60)
        data = await stored(handle)
        history = await handle.fetch_history()
    assert secret("LASTWORD") in str(failed.value.cause)  # with the key the client reads everything
    assert words_in(data) == []
    assert b"Encoded failure" in data
    assert b"call-4711" not in data
    # What the page says is not encrypted.
    for visible in (b"SecretWorkflow", b"look_up", b"break_down", b"RuntimeError", queue.encode()):
        assert visible in data
    replayer = Replayer(
        workflows=[SecretWorkflow],
        plugins=[StrandsPlugin()],
        data_converter=page.encrypted_data_converter(),
        header_codec_behavior=HeaderCodecBehavior.CODEC,
    )
    await replayer.replay_workflow(history)


@pytest.mark.server
@pytest.mark.usefixtures("keys")
async def test_without_the_other_two_settings_failures_and_headers_are_plain(
    client: Client, page: Any, worker_options: dict[str, Any]
) -> None:
    how = {
        "data_converter": replace(
            page.encrypted_data_converter(), failure_converter_class=DefaultFailureConverter
        ),
        "header_codec_behavior": HeaderCodecBehavior.NO_CODEC,
    }
    async with working(client, page, worker_options, **how) as (own, queue):
        handle = await own.start_workflow(SecretWorkflow.run, secret("PROMPT"), id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
        data = await stored(handle)
    assert words_in(data) == ["TOOLERROR", "MODELERROR", "LASTWORD"]
    assert b"strands-temporal-tool" in data
    assert b"call-4711" in data  # the id of a call, in a header


@pytest.mark.server
@pytest.mark.usefixtures("keys")
async def test_the_failure_of_a_call_that_is_tried_again_is_encrypted(
    client: Client, page: Any, worker_options: dict[str, Any]
) -> None:
    async with working(client, page, worker_options) as (own, queue):
        handle = await own.start_workflow(
            SecretWorkflow.run, args=[secret("PROMPT"), 3600], id=queue, task_queue=queue
        )
        for _ in range(300):
            pending = (await handle.describe()).raw_description.pending_activities
            if pending and pending[0].HasField("last_failure"):
                break
            await asyncio.sleep(0.05)  # nobody is told of an attempt
        data = await stored(handle)
        await handle.terminate()
    assert b"Encoded failure" in data
    assert words_in(data) == []


@pytest.mark.server
async def test_a_workflow_from_before_the_codec_goes_on_and_a_client_without_the_key_fails(
    client: Client, page: Any, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYLOAD_KEYS", f"new:{KEY}")
    plain = Client(client.service_client, plugins=[StrandsPlugin()])
    async with working(client, page, worker_options) as (own, queue):
        handle = await plain.start_workflow(SecretWorkflow.run, secret("PROMPT"), id=queue, task_queue=queue)
        own_handle = own.get_workflow_handle(queue)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(own_handle.result(), 60)
        assert words_in(await stored(handle)) == ["PROMPT"]
        assert await own_handle.query("prompt") == secret("PROMPT")
        with pytest.raises(Exception, match="binary/encrypted"):
            await handle.query("prompt")


# --- The codec --------------------------------------------------------------------------------------------


PAYLOAD = Payload(metadata={"encoding": b"json/plain"}, data=b'"secret"')


async def test_keys_rotate(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def codec(keys: str) -> Any:
        monkeypatch.setenv("PAYLOAD_KEYS", keys)
        return page.EncryptionCodec.from_environment()

    before, both = codec(f"old:{OLD_KEY}"), codec(f"old:{OLD_KEY},new:{KEY}")
    after, alone = codec(f"new:{KEY},old:{OLD_KEY}"), codec(f"new:{KEY}")
    (old,) = await before.encode([PAYLOAD])
    (new,) = await after.encode([PAYLOAD])
    assert (old.metadata["key-id"], new.metadata["key-id"]) == (b"old", b"new")
    for reader in (both, after):
        assert await reader.decode([old, new, PAYLOAD]) == [PAYLOAD] * 3
    with pytest.raises(ValueError, match=r"No key has the id 'old'. Known: \['new'\]"):
        await alone.decode([old])
    assert 60 <= old.ByteSize() - PAYLOAD.ByteSize() <= 80
    tampered = Payload(metadata=old.metadata, data=old.data[:-1] + bytes([old.data[-1] ^ 1]))
    with pytest.raises(Exception) as refused:  # noqa: PT011  # cryptography's InvalidTag has no text
        await both.decode([tampered])
    assert type(refused.value).__name__ == "InvalidTag"


@pytest.mark.parametrize("keys", ["new", "new:short", f"new:{base64.b64encode(b'short').decode()}"])
def test_a_wrong_key_is_refused_at_the_start(page: Any, monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    monkeypatch.setenv("PAYLOAD_KEYS", keys)
    with pytest.raises(ValueError, match=r"AESGCM key must be|base64|padding"):
        page.EncryptionCodec.from_environment()


# --- The codec server -------------------------------------------------------------------------------------

ORIGIN, TOKEN = "https://temporal.example.com", "let-me-in"
AUTHORIZED = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def codec_server(page: Any, keys: None) -> AsyncGenerator[str]:
    """The page's codec server on a free port."""
    from aiohttp import web

    module = importlib.import_module("codec_server")
    app = module.codec_app(page.EncryptionCodec.from_environment(), origin=ORIGIN, token=TOKEN)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


async def test_a_browser_may_ask_the_codec_server(codec_server: str, page: Any) -> None:
    (encrypted,) = await page.EncryptionCodec.from_environment().encode([PAYLOAD])
    body = json_format.MessageToJson(Payloads(payloads=[encrypted, PAYLOAD]))
    async with httpx.AsyncClient(base_url=codec_server) as browser:
        asked = {
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-namespace,authorization",
        }
        preflight = await browser.options("/decode", headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        assert preflight.headers["access-control-allow-headers"] == asked["access-control-request-headers"]
        answer = await browser.post("/decode", content=body, headers={"origin": ORIGIN, **AUTHORIZED})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert list(json_format.Parse(answer.content, Payloads()).payloads) == [PAYLOAD, PAYLOAD]
        there = await browser.post("/encode", content=answer.content, headers=AUTHORIZED)
        back = await browser.post("/decode", content=there.content, headers=AUTHORIZED)
        assert b"binary/encrypted" in base64.b64decode(there.json()["payloads"][0]["metadata"]["encoding"])
        assert back.json() == answer.json()


async def test_the_codec_server_refuses(codec_server: str) -> None:
    unknown = Payload(metadata={"encoding": b"binary/encrypted", "key-id": b"lost"}, data=b"x" * 40)
    wrong = Payload(metadata={"encoding": b"binary/encrypted", "key-id": b"new"}, data=b"x" * 40)
    async with httpx.AsyncClient(base_url=codec_server) as stranger:
        for headers in ({}, {"authorization": "Bearer guess"}):
            refused = await stranger.post("/decode", content="{}", headers=headers)
            assert (refused.status_code, refused.text) == (401, "")
            assert refused.headers["access-control-allow-origin"] == ORIGIN
        assert (await stranger.get("/decode")).status_code == 405
        for payload in (unknown, wrong):
            body = json_format.MessageToJson(Payloads(payloads=[payload]))
            assert (await stranger.post("/decode", content=body, headers=AUTHORIZED)).status_code == 400
        assert (await stranger.post("/decode", content="{", headers=AUTHORIZED)).status_code == 400


@pytest.mark.server
async def test_temporals_command_line_reads_an_encrypted_history_by_the_codec_server(
    client: Client, server: DevServer, page: Any, codec_server: str, worker_options: dict[str, Any]
) -> None:
    async with working(client, page, worker_options) as (own, queue):
        handle = await own.start_workflow(SecretWorkflow.run, secret("PROMPT"), id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 60)
    show = ["workflow", "show", "--workflow-id", queue, "--output", "json"]
    codec = ["--codec-endpoint", codec_server, "--codec-auth", f"Bearer {TOKEN}"]
    assert words_in(events_of(await temporal(server.address, *show))) == []
    shown = events_of(await temporal(server.address, *show, *codec))
    assert {"PROMPT", "ARGUMENT", "RESULT", "ANSWER", "LASTWORD"} <= set(words_in(shown))


def events_of(shown: str) -> bytes:
    """Return the events that `temporal workflow show --output json` writes, with payloads as they are."""
    return b"".join(event.SerializeToString() for event in WorkflowHistory.from_json("shown", shown).events)


async def test_the_command_that_makes_a_key_makes_one_that_fits(
    page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = re.findall(
        r"^    python (-c) \"(.*)\"$", (ROOT / "docs/encryption.md").read_text(), re.MULTILINE
    )
    made = await asyncio.to_thread(
        subprocess.run, [sys.executable, *command], check=True, capture_output=True, text=True, timeout=30
    )
    monkeypatch.setenv("PAYLOAD_KEYS", f"new:{made.stdout.strip()}")
    codec = page.EncryptionCodec.from_environment()
    assert await codec.decode(await codec.encode([PAYLOAD])) == [PAYLOAD]
