"""The CI step of docs/roll-out.md, run as it stands, with code that may go live and code that may not."""

import asyncio
import importlib
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.client import Client

from integration_tests.docs_code import own_server
from integration_tests.pages import DOCS, blocks
from integration_tests.waiting import until
from strands_temporal import ConversationClient, ConversationStart, StrandsPlugin
from strands_temporal.testing import (
    DevServer,
    ScriptedModel,
    agent_environment,
    find_server_binary,
    say,
    use_tool,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

PAGE = DOCS / "roll-out.md"

GOOD = '''
from strands_temporal import ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.workflow import Conversation, activity_as_tool
from temporalio import activity, workflow


@activity.defn
async def find_order(number: str) -> str:
    """Find an order."""
    return f"order {number}: one lamp"


def make_agent() -> TemporalAgent:
    return TemporalAgent("claude", tools=[activity_as_tool(find_order)])


def support() -> TemporalAgent:
    return TemporalAgent("claude", system_prompt="Be kind.")


@workflow.defn
class Desk:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()
'''
"""`my_agents.py` of the page: a workflow with a conversation, and an agent by name."""

BAD = GOOD.replace("find_order", "find_parcel")
BETTER = GOOD.replace('"claude", tools', '"claude", system_prompt="Be brief.", tools')


def steps() -> list[dict[str, Any]]:
    """Return the steps for a CI on the page."""
    return [step for text in blocks(PAGE, "yaml") for step in yaml.safe_load(text) if "run" in step]


async def in_a_ci(step: dict[str, Any], folder: Path, secrets: dict[str, str]) -> tuple[int | None, str]:
    """Run a step as GitHub's runner does: bash stops at an error, and a secret that is not set is empty."""

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ *secrets\.(\w+) *\}\}", lambda found: secrets.get(found[1], ""), text)

    return await shell(step["run"], folder, {name: filled(value) for name, value in step["env"].items()})


async def shell(script: str, folder: Path, variables: dict[str, str]) -> tuple[int | None, str]:
    """Run a script in a shell that finds this project's commands. Return its exit code and its output."""
    binary, _ = find_server_binary()
    (folder / "bin").mkdir(exist_ok=True)
    if not (folder / "bin" / "temporal").exists():
        (folder / "bin" / "temporal").symlink_to(binary)
    path = os.pathsep.join([str(Path(sys.executable).parent), str(folder / "bin"), os.environ["PATH"]])
    process = await asyncio.create_subprocess_exec(
        *("bash", "-e", "-c", script),
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "200", **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode()


async def lead_chats(server: DevServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lead two chats with the code that is live, and leave them open. Return their ids."""
    (folder / "live_agents.py").write_text(GOOD)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "live_agents", raising=False)
    live: Any = importlib.import_module("live_agents")
    model = ScriptedModel(
        lambda call: (
            use_tool("find_order", {"number": "7"})
            if "order" in call.text and not call.tool_results
            else say(call.text)
        )
    )
    plugins = [StrandsPlugin(models={"claude": lambda: model}, agents={"support": live.support})]
    async with agent_environment(
        server.address, workflows=[live.Desk], activities=[live.find_order], plugins=plugins
    ) as env:
        desk = await env.start(live.Desk.run, ConversationStart(), id="chat-1")
        chat = ConversationClient(env.client, desk.id)
        assert (await chat.send("Where is my order?")).text == "order 7: one lamp"
        named = await ConversationClient.start(
            env.client, "support", id="chat-2", task_queue=env.task_queue, first_message="Hello"
        )
        assert (await named.first_answer()).text == "Hello"
    return ["chat-1", "chat-2"]


async def listed(client: Client, count: int) -> bool:
    return (await client.count_workflows("ExecutionStatus = 'Running'")).count == count


async def test_the_step_stops_the_deploy_that_would_break_a_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = steps()
    assert "strands-temporal replay my_agents.py --query" in step["run"]
    async with own_server() as server:
        secrets = {"TEMPORAL_ADDRESS": server.address}
        (tmp_path / "my_agents.py").write_text(GOOD)
        code, out = await in_a_ci(step, tmp_path, secrets)
        assert code == 1, "nothing runs yet, so nothing is proven"
        assert "0 histories were found, and --at-least is 1" in out
        ids = await lead_chats(server, tmp_path, monkeypatch)
        client = await Client.connect(server.address)
        await until(lambda: listed(client, len(ids)))
        for good in (GOOD, BETTER):
            (tmp_path / "my_agents.py").write_text(good)
            code, out = await in_a_ci(step, tmp_path, secrets)
            assert code == 0, out
            assert "All 2 replay with my_agents.py" in out
        (tmp_path / "my_agents.py").write_text(BAD)
        code, out = await in_a_ci(step, tmp_path, secrets)
        assert code == 1, out
        assert re.search(r"^BREAKS +chat-1 +Desk ", out, re.MULTILINE), out
        assert re.search(r"^ok +chat-2 +StrandsAgentWorkflow ", out, re.MULTILINE), out
        assert "the history has activity find_order" in out
        assert "1 of 2 would stand still with my_agents.py" in out
        await the_histories_beside_the_code(tmp_path, server)


async def the_histories_beside_the_code(folder: Path, server: DevServer) -> None:
    """Run the page's commands for a CI without a server."""
    text = PAGE.read_text()
    _, _, text = text.partition("**Without a server**")
    (block,) = re.findall(r"((?:^    .+\n)+)", text.partition("```")[0], re.MULTILINE)
    fetch, replay = [line.strip() for line in block.splitlines()]
    (folder / "histories").mkdir()
    code, out = await shell(fetch, folder, {"TEMPORAL_ADDRESS": server.address})
    assert code == 0, out
    nowhere = {"TEMPORAL_ADDRESS": "127.0.0.1:9"}
    code, out = await shell(replay, folder, nowhere)
    assert (code, "BREAKS" in out, "chat-1" in out) == (1, True, True), out
    (folder / "my_agents.py").write_text(GOOD)
    code, out = await shell(replay, folder, nowhere)
    assert code == 0, out
