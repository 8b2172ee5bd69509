"""The commands of those who decide with a token: policies, trust, delegation, votes."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.commands.commanding import Done, command
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.people_support import FRONT_KEY, TICKET_KEY, Office, OfficeWorkflow, client_of
from packages.hitl.tests.policy_support import policy, ran, refund, refunds
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import Credential, HITLPlugin, NotVerifiedError, Person
from strands_temporal_hitl.identity import SignedVerifier

pytestmark = [pytest.mark.server, pytest.mark.slow]

PEOPLE = {"ana": ["finance"], "bob": ["finance"], "cy": ["sales"]}


def by_name(credential: Credential) -> Person:
    """Verify a token that is only a name."""
    if credential.scheme != "bearer" or credential.value not in PEOPLE:
        raise NotVerifiedError("no such token")
    return Person(credential.value, PEOPLE[credential.value])


async def test_people_with_tokens_in_a_terminal(agents: Any, client: Client, tmp_path: Path) -> None:
    ran.clear()
    plugins = [
        StrandsPlugin(models={"model": lambda: refunds(200, 300)}),
        HITLPlugin(verify=[SignedVerifier([FRONT_KEY]), by_name], ticket_keys=[TICKET_KEY]),
    ]
    reader, file = client_of(client), tmp_path / "policy.json"
    file.write_text(json.dumps(policy("v2", small=250)))

    async def run(*arguments: str, who: str = "") -> Done:
        variables = {"STRANDS_TEMPORAL_TOKEN": who} if who else {}
        return await command(client, "approvals", *arguments, "--timeout", "30", **variables)

    async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins) as env:
        deciders = {"groups": ["finance"]}
        handle = await env.start(OfficeWorkflow.run, Office(policy=policy(), deciders=deciders, way=""))
        found = await until(lambda: reader.pending(handle.id), lambda pending: len(pending) == 2)
        (large,) = [each for each in found if each.arguments["amount"] == 300]
        stranger = await run("approve", handle.id, large.id, who="dan")
        refused = await run("approve", handle.id, large.id, who="cy")
        handed = await run("delegate", handle.id, large.id, "--to", "bob", "--reason", "away", who="ana")
        neither = await run("delegate", handle.id, large.id, who="ana")
        again = await run("approve", handle.id, large.id, who="ana")
        trusted = await run("policy", "trust", handle.id, "mail", "--for", "60", who="ana")
        shown = await run("policy", "show", handle.id)
        withdrawn = await run("policy", "withdraw", handle.id, who="ana")
        changed = await run("policy", "change", handle.id, str(file), "--reason", "fine", who="bob")
        listed = await run("show", handle.id)
        done = await run("reject", handle.id, "--token", "bob")
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert (stranger.code, "proof of identity was not accepted" in stranger.err) == (1, True)
    assert (refused.code, again.code, neither.code) == (1, 1, 2)
    assert handed.out.startswith("delegated to person bob by ana at ")
    assert "bob may decide now" in handed.out
    assert trusted.out.startswith("trusted mail by ana")
    assert "trusted: mail by ana until" in shown.out
    assert '"version": "v1"' in shown.out
    assert withdrawn.out.startswith("trust_withdrawn all by ana")
    assert changed.out.startswith("policy_changed to version v2 by bob")
    assert "the group finance" in listed.out
    assert done.out.startswith("rejected by bob")
    assert ran == [(200, "bob")]
    assert {r["channel"] for r in result["records"] if r["by"] == "bob"} == {"cli"}
