"""`strands-temporal approvals`: the same commands as `strands-temporal-hitl`, on a real server."""

import asyncio
import json
from typing import Any

import pytest
from packages.core.tests.commands.commanding import command
from packages.hitl.tests.approvals_support import (
    AskingWorkflow,
    GatedWorkflow,
    Opened,
    approver_for,
    deletes,
    paused,
    two,
)
from temporalio.client import Client

from strands_temporal_hitl import HITLPlugin

pytestmark = pytest.mark.server


async def test_a_person_decides_by_the_command_of_core(environments: Opened, client: Client) -> None:
    approver = approver_for(client)
    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        pending = {p.arguments["path"]: p for p in await paused(approver, handle, 2)}

        done = await command(client, "approvals", "show", handle.id, "--json")
        assert (done.code, done.err) == (0, "")
        shown = json.loads(done.out)
        assert {each["id"] for each in shown["pending"]} == {each.id for each in pending.values()}
        assert shown["records"] == []
        unclear = await command(client, "approvals", "approve", handle.id, "--by", "ana")
        assert (unclear.code, unclear.out) == (1, "")
        assert unclear.err.startswith(f"Which one? These questions wait in {handle.id}:\n")
        no = await command(
            client, *("approvals", "reject", handle.id, pending["/b"].id, "--by", "bo", "--reason", "no")
        )
        assert (no.code, no.err, no.out.partition(" at ")[0]) == (0, "", "rejected by bo")
        yes = await command(client, "approvals", "approve", handle.id, "--by", "ana", "--yes", "--json")
        assert yes.code == 0
        assert json.loads(yes.out)["outcome"] == "approved"
        assert await asyncio.wait_for(handle.result(), 30) == "removed /a\nkept /b: False\nRejected: no"
        await env.assert_replays(handle)

    history = await command(client, "history", handle.id)
    assert "decision" in history.out
    assert "rejected by bo: remove (no)" in history.out
    wrong = await command(client, "approvals", "respond", handle.id, "{bad")
    assert (wrong.code, "looks like JSON but is not" in wrong.err) == (2, True)
    ended = await command(client, "approvals", "approve", handle.id)
    assert (ended.code, ended.out, ended.err) == (1, "", f"No question waits in {handle.id}.\n")


@pytest.mark.slow
async def test_a_history_shows_the_open_questions(environments: Opened, client: Client) -> None:
    async with environments(HITLPlugin(), two) as env:
        handle = await env.start(AskingWorkflow.run)
        await paused(approver_for(client), handle, 2)
        done = await command(client, "history", handle.id)
        assert "2 questions waiting for people:" in done.out
        assert 'remove {"path": "/a"}  Remove /a?' in done.out
        await handle.terminate()


@pytest.mark.slow
async def test_a_person_edits_a_call(setting: Any, client: Client) -> None:
    """What a model or a person wrote changes nothing in the terminal."""
    bad = "/\x1b[2J\u202e"
    async with setting(deletes(bad), workflows=[GatedWorkflow]) as s:
        handle, _ = await s.pause()
        shown = await command(client, "approvals", "show", handle.id)
        assert "    allowed: approve, reject, edit, respond\n" in shown.out
        assert '    arguments: {"path": {' in shown.out
        for wrong, words in (
            ('{"path": 7}', "$.path: 7 is not of type 'string'"),
            ('{"paht": "/tmp"}', "unknown argument 'paht'. Did you mean 'path'?"),
            ('{"path": "/\\u001b[2J", "x\\u001b": 1}', "unknown argument 'x\\x1b'"),
        ):
            refused = await command(client, "approvals", "edit", handle.id, wrong, "--yes")
            assert (refused.code, refused.out) == (1, "")
            assert words in refused.err
        for wrong in ("{", "[1]", '"x"', "null", '{"path": NaN}', '{"path": "/a", "path": "/b"}'):
            assert (await command(client, "approvals", "edit", handle.id, wrong)).code == 2
        arguments = json.dumps({"path": "/x\x1b[1m"})
        done = await command(client, "approvals", "edit", handle.id, arguments, "--by", "ana", "--yes")
        assert done.code == 0
        assert done.out.startswith("edited from ")
        assert ' to {"path": "/x\\u001b[1m"} by ana at ' in done.out
        result = await s.end(handle)
        shown = await command(client, "approvals", "show", handle.id)
        assert "  edited from" in shown.out
        history = await command(client, "history", handle.id)
        assert "edited by ana: delete_file" in history.out
    assert result["text"].startswith("deleted /x\x1b[1m")
    for each in (shown, done, history):
        assert not set("\x1b\u202e") & set(each.out + each.err)
