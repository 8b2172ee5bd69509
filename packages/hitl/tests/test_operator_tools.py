"""The MCP server for operators, with the official client: stdio and streamable HTTP."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
import uvicorn
from mcp import ClientSession, StdioServerParameters, stdio_client
from packages.core.tests.commands.commanding import SCRIPT, address_of
from packages.hitl.tests.approvals_support import until
from packages.hitl.tests.people_support import FRONT_KEY, TICKET_KEY, Office, OfficeWorkflow, client_of
from packages.hitl.tests.policy_support import ran, refund, refunds
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal_hitl import Credential, HITLPlugin, NotVerifiedError, Person
from strands_temporal_hitl.identity import SignedVerifier
from strands_temporal_hitl.operator_tools import operator_app

pytestmark = [pytest.mark.server, pytest.mark.slow]

TOKENS = {"token of ana": Person("ana", ["finance"]), "token of bob": Person("bob", ["sales"])}


def by_token(credential: Credential) -> Person:
    """Verify the tests' tokens."""
    if credential.scheme != "bearer" or credential.value not in TOKENS:
        raise NotVerifiedError("no such token")
    return TOKENS[credential.value]


@pytest.fixture
def office(agents: Any, client: Client) -> Any:
    @asynccontextmanager
    async def open_office(*amounts: int) -> AsyncGenerator[Any]:
        ran.clear()
        model = refunds(*amounts)
        plugins = [
            StrandsPlugin(models={"model": lambda: model}),
            HITLPlugin(verify=[SignedVerifier([FRONT_KEY]), by_token], ticket_keys=[TICKET_KEY]),
        ]
        async with agents(workflows=[OfficeWorkflow], activities=[refund], plugins=plugins) as env:
            yield env

    return open_office


@asynccontextmanager
async def over_stdio(client: Client, *options: str, **variables: str) -> AsyncGenerator[ClientSession]:
    environment = {"TEMPORAL_ADDRESS": address_of(client), "TEMPORAL_NAMESPACE": client.namespace}
    parameters = StdioServerParameters(
        command=str(SCRIPT),
        args=["approvals", "mcp", "--timeout", "30", *options],
        env={**os.environ, **environment, **variables},
    )
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
    serving = asyncio.create_task(server.serve())
    try:
        for _ in range(500):
            if server.started:
                break
            await asyncio.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


@asynccontextmanager
async def over_http(url: str, token: str) -> AsyncGenerator[ClientSession]:
    from mcp.client import streamable_http

    connect: Any = getattr(streamable_http, "streamable_http_client")  # noqa: B009  # its types know one line
    async with (
        httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=30) as http,
        connect(url, http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield session


async def call(session: ClientSession, name: str, **arguments: Any) -> Any:
    result: Any = await asyncio.wait_for(session.call_tool(name, arguments), 60)
    content = getattr(result, "structured_content", None) or getattr(result, "structuredContent", None)
    is_error = getattr(result, "is_error", getattr(result, "isError", False))
    assert not is_error, result
    return content


INBOX = "https://inbox.example.org/approvals/"


async def waiting(client: Client, handle: Any) -> Any:
    reader = client_of(client)

    async def pending() -> Any:
        return await reader.pending(handle.id)

    return await until(pending, bool)


async def test_an_assistant_shows_what_waits_and_can_only_reject(office: Any, client: Client) -> None:
    async with office(200) as env:
        handle = await env.start(OfficeWorkflow.run, Office())
        await waiting(client, handle)
        variables = {"STRANDS_TEMPORAL_TOKEN": "token of ana"}
        async with over_stdio(client, "--inbox", INBOX, **variables) as session:
            tools = await session.list_tools()
            assert [tool.name for tool in tools.tools] == ["list_pending", "decide"]
            found = await call(session, "list_pending", workflow_id=handle.id)
            everywhere = await call(session, "list_pending")
            (question,) = found["questions"]
            assert question["id"] in [each["id"] for each in everywhere["questions"]]
            assert question["arguments"] == {"amount": 200}
            assert (
                question["link"]
                == f"{INBOX}question?workflow={handle.id}&id={question['id'].replace(':', '%3A')}"
            )
            given = {"workflow_id": handle.id, "id": question["id"], "digest": question["digest"]}
            for more in (
                {"decision": "approve"},
                {"decision": "edit", "arguments": {"amount": 1}},
                {"decision": "respond", "response": "y"},
            ):
                refused = await call(session, "decide", **given, **more)
                assert (refused["taken"], refused["needs_person"]) == (False, True), refused
                assert refused["link"] == question["link"]
                assert "A person has to decide it" in refused["text"]
            done = await call(session, "decide", **given, decision="reject", reason="not now")
            assert (done["taken"], done["outcome"]) == (True, "rejected")
            late = await call(session, "decide", **given, decision="reject")
            assert (late["taken"], late["needs_person"]) == (False, False)
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    (record,) = result["records"]
    assert (record["by"], record["verified"], record["channel"]) == ("ana", True, "mcp")
    assert ran == []


async def test_a_rule_lets_assistants_approve_over_http(office: Any, client: Client) -> None:
    app = operator_app(client, verify=by_token, inbox_url=INBOX, timeout=timedelta(seconds=30))
    deciders = {"groups": ["finance"], "assistants": True}
    async with office(200) as env, served(app) as url:
        handle = await env.start(OfficeWorkflow.run, Office(deciders=deciders))
        await waiting(client, handle)
        async with httpx.AsyncClient() as http:
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic dG9rZW4="}):
                answer = await http.post(url, json={}, headers=headers)
                assert answer.status_code == 401
        async with over_http(url, "token of bob") as session:
            (question,) = (await call(session, "list_pending", workflow_id=handle.id))["questions"]
            given = {"workflow_id": handle.id, "id": question["id"]}
            assert "the group finance" in question["who"]
            no = await call(session, "decide", **given, digest=question["digest"], decision="approve")
            assert (no["taken"], "NotADecider" in no["text"]) == (False, True), no
        async with over_http(url, "token of ana") as session:
            blind = await call(session, "decide", **given, decision="approve")
            assert (blind["taken"], "needs the digest" in blind["text"]) == (False, True)
            yes = await call(session, "decide", **given, digest=question["digest"], decision="approve")
            assert (yes["taken"], yes["outcome"]) == (True, "approved"), yes
        result = await asyncio.wait_for(handle.result(), 30)
    assert [r["by"] for r in result["records"]] == ["ana"]
    assert ran == [(200, "bob")]


async def test_without_a_credential_it_only_rejects(office: Any, client: Client) -> None:
    async with office(200) as env:
        handle = await env.start(OfficeWorkflow.run, Office(verified=False))
        (pending,) = await waiting(client, handle)
        async with over_stdio(client, "--by", "cy", "--type", "OfficeWorkflow") as session:
            given = {"workflow_id": handle.id, "id": pending.id, "digest": pending.digest}
            no = await call(session, "decide", **given, decision="approve")
            assert (no["taken"], "Nothing proves" in no["text"]) == (False, True)
            gone = await call(session, "list_pending", workflow_id="no-such-workflow")
            assert "no-such-workflow" in gone["problems"][0]
            assert (await call(session, "decide", **given, decision="reject"))["taken"] is True
        result = await asyncio.wait_for(handle.result(), 30)
    assert [(r["by"], r["outcome"]) for r in result["records"]] == [("cy", "rejected")]
