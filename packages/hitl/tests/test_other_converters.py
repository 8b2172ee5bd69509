"""Workflows whose data converter or codec is not the approver's: encrypted ones beside plain ones."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest
from packages.hitl.tests.approvals_support import (
    TYPE,
    AskingWorkflow,
    Opened,
    approver_for,
    one,
    paused,
    until,
)
from packages.hitl.tests.codec_support import AUTH, CodecServer, codec_server, encrypted_data_converter
from packages.hitl.tests.command_support import command
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Replayer, Worker

from strands_temporal import StrandsPlugin
from strands_temporal.extension import CodecEndpointError, RemoteCodec
from strands_temporal_hitl import ApprovalsUnreachableError, HITLPlugin

pytestmark = pytest.mark.server

CONVERTER = "packages.hitl.tests.codec_support:encrypted_data_converter"
FAILS = "data converter fails on workflow"

Encrypted: TypeAlias = Callable[[], AbstractAsyncContextManager["WorkflowHandle[Any, Any]"]]


@pytest.fixture
def encrypted(client: Client, worker_options: dict[str, Any]) -> Encrypted:
    """Runs a waiting workflow with encrypted payloads; replays it at the end."""

    @asynccontextmanager
    async def run() -> AsyncGenerator["WorkflowHandle[Any, Any]"]:
        model = one()
        plugins = [StrandsPlugin(models={"model": lambda: model}), HITLPlugin()]
        sealed = Client(client.service_client, data_converter=encrypted_data_converter, plugins=plugins)
        queue = f"encrypted-{uuid.uuid4()}"
        async with Worker(sealed, task_queue=queue, workflows=[AskingWorkflow], **worker_options):
            handle = await sealed.start_workflow(AskingWorkflow.run, id=queue, task_queue=queue)
            await paused(approver_for(sealed), handle)
            yield handle
            with contextlib.suppress(RPCError):  # the workflow may have ended
                await handle.terminate()
            history = await handle.fetch_history()
            assert "/tmp/x" not in str(history.events)  # noqa: S108  # just a name
        replayer = Replayer(
            workflows=[AskingWorkflow], plugins=plugins, data_converter=encrypted_data_converter
        )
        await replayer.replay_workflow(history)

    return run


@pytest.fixture
def server_with_codec() -> Any:
    with codec_server() as server:
        yield server


async def test_one_encrypted_workflow_is_listed_with_its_problem_beside_the_others(
    encrypted: Encrypted, environments: Opened, client: Client
) -> None:
    approver = approver_for(client)
    async with encrypted() as sealed, environments(HITLPlugin()) as env:
        plain = await env.start(AskingWorkflow.run)
        (pending,) = await paused(approver, plain)
        found = {
            waiting.workflow_id: waiting
            for waiting in await until(
                approver.list,
                lambda found: {sealed.id, plain.id} <= {waiting.workflow_id for waiting in found},
            )
        }
        assert found[plain.id].problem is None
        assert found[sealed.id].pending == []
        assert found[sealed.id].problem == (
            f"The client's {FAILS} {sealed.id!r} (KeyError: 'Unknown payload encoding binary/encrypted'). "
            "Use the data converter of the workflow's workers, with its codec; on the command line give "
            "--codec-endpoint or --data-converter"
        )
        for question in (approver.pending(sealed.id), approver.records(sealed.id)):
            with pytest.raises(ApprovalsUnreachableError, match=FAILS):
                await question
        await approver.approve(plain.id, pending, by="ana")
        assert await asyncio.wait_for(plain.result(), 30) == "removed /tmp/x"
        await env.assert_replays(plain)
        (waiting,) = await approver_for(sealed._client).pending(sealed.id)  # pyright: ignore[reportPrivateUsage]
        # An approver who sends a decision nevertheless is told that it may count.
        with pytest.raises(ApprovalsUnreachableError, match=r"may have been taken: look at the records"):
            await approver.approve(sealed.id, waiting, by="ana")
        assert await asyncio.wait_for(sealed.result(), 30) == "removed /tmp/x"


async def test_the_command_line_says_what_an_encrypted_workflow_needs(
    encrypted: Encrypted, client: Client
) -> None:
    async with encrypted() as handle:
        code, out, err = await command(client, "list", "--type", TYPE)
        assert (code, err) == (0, "")
        assert f"{handle.id}  ({TYPE})\n  The client's {FAILS} {handle.id!r}" in out
        for verb in ("show", "approve", "reject"):
            code, out, err = await command(client, verb, handle.id)
            assert (code, out) == (1, "")
            assert err.startswith(f"The client's {FAILS} {handle.id!r} ")
            assert err.endswith("give --codec-endpoint or --data-converter\n")
            assert len(err.splitlines()) == 1


async def decides(
    client: Client, handle: "WorkflowHandle[Any, Any]", *options: str, **variables: str
) -> None:
    """List, show and approve the waiting workflow, with the options that it needs."""
    code, out, err = await command(client, *options, "list", "--type", TYPE, **variables)
    assert (code, err) == (0, "")
    assert '    remove {"path": "/tmp/x"}\n' in out[out.index(f"{handle.id}  ({TYPE})") :]
    code, out, _ = await command(client, *options, "show", handle.id, **variables)
    assert (code, out.splitlines()[0]) == (0, f"{handle.id}: 1 waiting, 0 decided")
    code, out, err = await command(
        client, *options, "approve", handle.id, "--yes", "--by", "ana", **variables
    )
    assert (code, err, out.partition(" at ")[0]) == (0, "", "approved by ana")
    assert await asyncio.wait_for(handle.result(), 30) == "removed /tmp/x"


async def test_a_codec_endpoint_opens_an_encrypted_workflow(
    encrypted: Encrypted, client: Client, server_with_codec: CodecServer
) -> None:
    async with encrypted() as handle:
        endpoint = server_with_codec.address + "/{namespace}/codec/"
        await decides(client, handle, "--codec-endpoint", endpoint, "--codec-auth", AUTH)
        assert set(server_with_codec.asked) == {
            ("/default/codec/decode", "default"),
            ("/default/codec/encode", "default"),
        }


async def test_the_environment_may_name_the_codec_endpoint(
    encrypted: Encrypted, client: Client, server_with_codec: CodecServer
) -> None:
    async with encrypted() as handle:
        variables = {"TEMPORAL_CODEC_ENDPOINT": server_with_codec.address, "TEMPORAL_CODEC_AUTH": AUTH}
        await decides(client, handle, **variables)


async def test_a_data_converter_opens_an_encrypted_workflow(encrypted: Encrypted, client: Client) -> None:
    async with encrypted() as handle:
        # The converter has its own codec, so the environment's codec server does not matter.
        variables = {"TEMPORAL_CODEC_ENDPOINT": "http://127.0.0.1:1"}
        await decides(client, handle, "--data-converter", CONVERTER, **variables)


async def test_a_codec_endpoint_does_no_harm_to_plain_workflows(
    environments: Opened, client: Client, server_with_codec: CodecServer
) -> None:
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(approver_for(client), handle)
        options = ("--codec-endpoint", server_with_codec.address, "--codec-auth", AUTH)
        code, out, _ = await command(client, *options, "show", handle.id)
        assert (code, out.splitlines()[0]) == (0, f"{handle.id}: 1 waiting, 0 decided")
        await handle.terminate()


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    ("auth", "answer", "words"),
    [
        ("Bearer wrong", None, "answers 401 to decode"),
        (AUTH, (500, b"no"), "answers 500 to decode"),
        (AUTH, (200, b"<html>"), "answers decode without valid payloads"),
        (AUTH, (200, b"{}"), "answers 1 payloads to decode with 0"),
    ],
)
async def test_a_codec_endpoint_that_fails_is_named(
    encrypted: Encrypted,
    client: Client,
    server_with_codec: CodecServer,
    auth: str,
    answer: Any,
    words: str,
) -> None:
    server_with_codec.answer = answer
    async with encrypted() as handle:
        options = ("--codec-endpoint", f"{server_with_codec.address}/secret", "--codec-auth", auth)
        code, out, err = await command(client, *options, "show", handle.id)
        assert (code, out) == (1, "")
        assert f"(CodecEndpointError: http://127.0.0.1 {words})" in err
        assert "secret" not in err
        await handle.terminate()


async def test_a_codec_endpoint_that_is_not_there_is_named() -> None:
    codec = RemoteCodec("http://127.0.0.1:1", "default")
    with pytest.raises(CodecEndpointError, match=r"^http://127\.0\.0\.1 does not answer: "):
        await codec.decode([])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--codec-endpoint", "localhost:8888"], "--codec-endpoint 'localhost:8888' is not an http or https"),
        (
            ["--codec-endpoint", "http://127.0.0.1:no"],
            "--codec-endpoint 'http://127.0.0.1:no' is not an http",
        ),
        (["--codec-endpoint", "http://"], "--codec-endpoint 'http://' is not an http or https"),
        (["--codec-auth", "Bearer x"], "--codec-auth is for a codec endpoint, and --codec-endpoint is not"),
        (["--data-converter", "nowhere"], "--data-converter 'nowhere' is not MODULE:ATTRIBUTE"),
        (
            ["--data-converter", "no_such:thing"],
            "--data-converter no_such:thing: no_such cannot be imported (ModuleNotFoundError: No module "
            "named 'no_such'). Modules are looked for in ",
        ),
        (
            ["--data-converter", ".relative:thing"],
            "--data-converter .relative:thing: .relative cannot be imp",
        ),
        (["--data-converter", f"{CONVERTER}x"], f"--data-converter {CONVERTER}x: "),
        (
            ["--data-converter", "packages.hitl.tests.codec_support:not_a_data_converter"],
            "--data-converter packages.hitl.tests.codec_support:not_a_data_converter is a str, not a ",
        ),
        (
            ["--data-converter", CONVERTER, "--codec-endpoint", "http://127.0.0.1:1"],
            f"--data-converter {CONVERTER} has a codec of its own",
        ),
    ],
)
async def test_options_that_cannot_be_meant_are_refused_in_a_line(
    client: Client, options: list[str], words: str
) -> None:
    code, out, err = await command(client, *options, "list")
    assert (code, out) == (1, "")
    assert err.startswith(words)
    assert len(err.splitlines()) == 1
