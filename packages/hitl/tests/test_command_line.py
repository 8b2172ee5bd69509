"""The command line, on a real server."""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import (
    TYPE,
    AskingWorkflow,
    Opened,
    approver_for,
    deletes,
    one,
    paused,
    two,
    until,
)
from packages.hitl.tests.carried_support import LongTask, LongWorkflow, hand_over
from packages.hitl.tests.command_support import command
from temporalio.client import Client

from strands_temporal_hitl import HITLPlugin

pytestmark = pytest.mark.server

BY = "ana"


async def command_as_process(client: Client, *arguments: str) -> tuple[int | None, str, str]:
    environment = {**os.environ, "TEMPORAL_ADDRESS": client.service_client.config.target_host}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "strands_temporal_hitl", *arguments),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode(), err.decode()


async def test_a_person_lists_shows_and_decides_in_a_terminal(environments: Opened, client: Client) -> None:
    approver = approver_for(client)
    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        pending = await paused(approver, handle, 2)
        by_path = {p.arguments["path"]: p for p in pending}
        await until(approver.list, lambda found: handle.id in {waiting.workflow_id for waiting in found})

        code, out, _ = await command(client, "list")
        assert code == 0
        block = out[out.index(f"{handle.id}  ({TYPE})") :]
        assert f"  {by_path['/a'].id}\n" in block
        assert '    remove {"path": "/a"}\n    Remove /a?\n    asked at 20' in block
        assert "rejected automatically at 20" in block
        assert (await command(client, "list", "--type", TYPE))[1].count(handle.id) == 1

        code, out, err = await command(client, "approve", handle.id)
        assert (code, out) == (1, "")
        assert err.startswith(f"Which one? These questions wait in {handle.id}:\n")
        code, out, _ = await command(client, "reject", handle.id, "use-b", "--by", "bo", "--reason", "no")
        assert (code, out.partition(" at ")[0]) == (0, "rejected by bo")
        assert out.endswith('(no): remove {"path": "/b"}\n')
        code, out, _ = await command(client, "show", handle.id)
        assert out.startswith(f"{handle.id}: 1 waiting, 1 decided\n")
        assert "  rejected by bo at 20" in out
        for typed in ("", "n\n"):
            code, out, err = await command(client, "approve", handle.id, "--by", "ana", typed=typed)
            assert (code, err) == (1, "Nothing was decided.\n")
            assert f"  {by_path['/a'].id}\n" in out
            assert out.endswith("Approve? [y/N] ")
        code, out, _ = await command(client, "approve", handle.id, "--by", "ana", typed="y\n")
        assert (code, out.partition("[y/N] ")[2].partition(" at ")[0]) == (0, "approved by ana")
        assert await asyncio.wait_for(handle.result(), 30) == "removed /a\nkept /b: False\nRejected: no"

        code, out, err = await command(client, "approve", handle.id)
        assert (code, out, err) == (1, "", f"No question waits in {handle.id}.\n")
        code, out, _ = await command(client, "show", handle.id)
        assert (code, out.splitlines()[0]) == (0, f"{handle.id}: 0 waiting, 2 decided")
        await env.assert_replays(handle)


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("value", "response"),
    [(['{"ok": 1}'], {"ok": 1}), (["maybe later"], "maybe later"), (["{bad", "--text"], "{bad")],
)
async def test_a_person_responds_with_a_value(
    environments: Opened, client: Client, value: list[str], response: Any
) -> None:
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(approver_for(client), handle)
        code, out, err = await command(
            client, "respond", handle.id, *value, "--yes", USER="eve", LOGNAME="eve"
        )
        assert (code, err) == (0, "")
        assert out.startswith("responded with ")
        assert " by eve at " in out
        assert await asyncio.wait_for(handle.result(), 30) == f"kept /tmp/x: {response!r}"


async def test_broken_json_decides_nothing(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin()) as env:
        handle = await env.start(AskingWorkflow.run)
        approver = approver_for(client)
        (pending,) = await paused(approver, handle)
        code, out, err = await command(client, "respond", handle.id, "{bad", "--yes")
        assert (code, out) == (2, "")
        assert "respond: {bad looks like JSON but is not (Expecting property name" in err
        assert err.endswith("For text add --text\n")
        # Without the times: a query during the workflow task that asks returns different ones.
        assert [(left.id, left.digest) for left in await approver.pending(handle.id)] == [
            (pending.id, pending.digest)
        ]
        await handle.terminate()


async def test_what_a_model_wrote_cannot_command_the_terminal(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin(), lambda: one("/x\x1b[2K\u202e")) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(approver_for(client), handle)
        _, out, _ = await command(client, "show", handle.id)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "    Remove /x\\x1b[2K\\u202e?\n" in out
        await handle.terminate()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
async def test_a_terminal_that_lacks_characters_shows_what_it_can(
    environments: Opened, client: Client, encoding: str
) -> None:
    async with environments(HITLPlugin(), lambda: one("/für/支付")) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(approver_for(client), handle)
        code, out, err = await command(client, "show", handle.id, encoding=encoding)
        assert (code, err) == (0, "")
        path = "/für/支付" if encoding == "utf-8" else r"/f\xfcr/\u652f\u4ed8"
        assert f"    Remove {path}?\n" in out
        await handle.terminate()


async def test_mistakes_at_the_terminal_are_told_in_a_line(client: Client, bare: Client) -> None:
    cases: Sequence[tuple[list[str], str]] = (
        (["show", "no-such"], "Workflow 'no-such' cannot be asked: "),
        (["--namespace", bare.namespace, "list"], "The server does not know the search attribute "),
        (["--address", "127.0.0.1:1", "list"], "Cannot connect to Temporal at 127.0.0.1:1: "),
    )
    code, out, err = await command_as_process(client, "show", "no-such")
    assert (code, out) == (1, "")
    assert err.startswith("Workflow 'no-such' cannot be asked: ")
    for arguments, words in cases:
        code, out, err = await command(client, *arguments)
        assert (code, out) == (1, "")
        assert err.startswith(words)
        assert len(err.splitlines()) == 1
    code, out, _ = await command(client, "--namespace", bare.namespace, "list", "--type", TYPE)
    assert (code, out) == (0, "Nothing waits for a person.\n")
    assert (await command(client, "aprove", "x"))[0] == 2


async def test_a_person_finds_what_waits_in_a_later_run(setting: Any, client: Client) -> None:
    async with setting(deletes(), workflows=[LongWorkflow]) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        await hand_over(handle)
        code, out, _ = await command(client, "show", handle.id)
        assert (code, out.splitlines()[0]) == (0, f"{handle.id}: 1 waiting, 0 decided")
        code, out, err = await command(client, "approve", handle.id, notice.pending[0].id, "--by", "ana")
        assert (code, err, out.partition(" at ")[0]) == (0, "", "approved by ana")
        assert (await s.end(handle))["text"] == "deleted /etc/passwd"
