"""docs/roll-out.md: what replays, what does not, and what an operator does."""

import asyncio
import importlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import VersionDrainageStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionResponse,
)
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.workflow import NondeterminismError

from integration_tests.doc_blocks import ROOT
from integration_tests.docs_code import Command, commands_of, module_of, temporal
from integration_tests.roll_out_scenes import (
    CHANGES,
    Chat,
    audit,
    convert,
    convert_back,
    everything_new,
    fetch_weather,
    old,
    release,
    talker,
)
from integration_tests.waiting import failed_tasks, until
from strands_temporal.testing import DevServer, ScriptedCall, ScriptedModel, assert_replays, say, use_tool

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def histories() -> dict[str, WorkflowHistory]:
    return {}


@pytest.fixture
async def history(agents: Agents, histories: dict[str, WorkflowHistory]) -> WorkflowHistory:
    """The history of a chat of the old release, after two turns."""
    if not histories:
        model = talker()
        async with agents(
            workflows=[Chat],
            models={"claude": lambda: model},
            tools={"convert": convert, "convert_back": convert_back},
            activities=[fetch_weather, audit],
        ) as env:
            handle = await env.start(Chat.run)
            assert (
                await handle.execute_update("ask", "Weather in Bern?") == "Four letters, sunny, 68 degrees."
            )
            assert await handle.execute_update("ask", "And tomorrow?") == "Be brief. 9 messages"
            histories["old"] = await handle.fetch_history()
            await handle.signal("close")
            await handle.result()
    return histories["old"]


@pytest.mark.parametrize("name", CHANGES)
async def test_each_change_replays_or_does_not_as_the_page_says(
    name: str, history: WorkflowHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = CHANGES[name]
    monkeypatch.setattr(release, "build", change.new)
    if change.replays:
        await assert_replays(history, [Chat])
        return
    with pytest.raises(NondeterminismError):
        await assert_replays(history, [Chat])


def test_the_page_has_these_rows() -> None:
    page = (ROOT / "docs/roll-out.md").read_text()
    table = page[page.index("| change | replays") :].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert {name: replays for name, replays, _ in rows} == {
        name: "yes" if change.replays else "no" for name, change in CHANGES.items()
    }


# --- Live chats ---------------------------------------------------------------------------------------------


class Working:
    """Starts workers on one task queue."""

    def __init__(self, agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
        self._agents, self._monkeypatch = agents, monkeypatch
        self.queue = f"chat-{uuid.uuid4()}"

    def of(self, build: Any, models: dict[str, ScriptedModel]) -> Any:
        self._monkeypatch.setattr(release, "build", build)
        return self._agents(
            workflows=[Chat],
            models={name: lambda model=model: model for name, model in models.items()},
            tools={"convert": convert, "convert_back": convert_back},
            activities=[fetch_weather, audit],
            task_queue=self.queue,
        )


@pytest.fixture
def working(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> Working:
    return Working(agents, monkeypatch)


async def test_the_next_turn_has_what_is_new(working: Working) -> None:
    async with working.of(old, {"claude": talker()}) as env:
        handle = await env.start(Chat.run)
        await handle.execute_update("ask", "Weather in Bern?")
    gpt = ScriptedModel(say("Hello."))
    async with working.of(everything_new, {"gpt": gpt}) as env:
        assert await env.client.get_workflow_handle(handle.id).execute_update("ask", "Hello?") == "Hello."
        await env.assert_replays(handle)
        await handle.signal("close")
    (call,) = gpt.calls
    assert call.system_prompt == "Be long."
    specs = {spec["name"]: spec for spec in call.tool_specs or []}
    assert specs["count_letters"]["description"] == "Count letters, all of them."
    assert {"convert", "fetch_weather", "weather_report"} == set(specs) - {"count_letters"}  # no convert_back
    assert tool_results(call) == ["400", "sunny in Bern", "68"]


async def test_results_of_a_removed_tool_become_errors(working: Working) -> None:
    async with working.of(old, {"claude": talker()}) as env:
        handle = await env.start(Chat.run)
        await handle.execute_update("ask", "Weather in Bern?")
    claude = ScriptedModel(say("Hello."))
    removed = CHANGES["a tool in the workflow removed that was called"].new
    async with working.of(removed, {"claude": claude}) as env:
        await handle.execute_update("ask", "Hello?")
        await handle.signal("close")
    assert tool_results(claude.calls[0]) == ["Unknown tool: count_letters", "sunny in Bern", "68"]


def tool_results(call: ScriptedCall) -> list[str]:
    blocks = [block for message in call.messages for block in message["content"]]
    return [block["toolResult"]["content"][0].get("text", "") for block in blocks if "toolResult" in block]


async def test_a_chat_whose_history_does_not_replay_stands_still_until_the_old_code_is_back(
    working: Working,
) -> None:
    async with working.of(old, {"claude": talker()}) as env:
        handle = await env.start(Chat.run)
        await handle.execute_update("ask", "Weather in Bern?")
    broken = CHANGES["an activity tool removed or renamed that was called"].new
    async with working.of(broken, {"claude": talker()}) as env:
        asked = asyncio.create_task(handle.execute_update("ask", "Hello?"))
        await until(lambda: failed_tasks(handle))
        assert not asked.done()
    claude = ScriptedModel(say("Hello."))
    async with working.of(old, {"claude": claude}) as env:
        assert await asyncio.wait_for(asked, 60) == "Hello."
        await handle.signal("close")
        await asyncio.wait_for(handle.result(), 60)
        await env.assert_replays(handle)


# --- The page's code ----------------------------------------------------------------------------------------


async def test_histories_from_the_command_line_replay(
    agents: Agents, server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("roll-out.md", "replay_check", tmp_path, monkeypatch)
    model = ScriptedModel(say("Hello."))
    async with agents(workflows=[page.ReplyWorkflow], models={"claude": lambda: model}) as env:
        handle = await env.start(page.ReplyWorkflow.run, "Hello?")
        assert await handle.result() == "Hello.\n"
    shown = await temporal(server.address, "workflow", "show", "--workflow-id", handle.id, "--output", "json")
    folder = tmp_path / "histories"
    folder.mkdir()
    (folder / "chat-1.json").write_text(shown)
    assert await page.check(folder) == 1
    (folder / "chat-1.json").write_text(shown.replace("invoke_model", "other_model"))
    with pytest.raises(NondeterminismError):
        await page.check(folder)


async def test_a_patch_keeps_old_runs_on_the_old_way(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("roll-out.md", "patched_chat", tmp_path, monkeypatch)
    source = (tmp_path / "patched_chat.py").read_text()
    old_source = source.replace('weather_report if workflow.patched("weather-report") else ', "")
    assert old_source != source
    (tmp_path / "unpatched_chat.py").write_text(old_source)
    before = importlib.import_module("unpatched_chat")
    activities = [page.fetch_weather, page.weather_report]

    def asks(tool: str, arguments: dict[str, Any]) -> Any:
        model = ScriptedModel(use_tool(tool, arguments), lambda call: say(call.text))
        return {"claude": lambda: model}

    models = asks("fetch_weather", {"city": "Bern"})
    async with agents(workflows=[before.WeatherWorkflow], activities=activities, models=models) as env:
        handle = await env.start(before.WeatherWorkflow.run, "Weather?")
        assert await handle.result() == "sunny in Bern\n"
        history = await handle.fetch_history()
    await assert_replays(history, [page.WeatherWorkflow])
    models = asks("weather_report", {"city": "Bern", "days": 2})
    async with agents(workflows=[page.WeatherWorkflow], activities=activities, models=models) as env:
        assert await env.run(page.WeatherWorkflow.run, "Weather?") == "sunny in Bern for 2 days\n"


async def test_a_patch_keeps_live_chats_on_their_prompt(
    working: Working, agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("roll-out.md", "patched_prompt", tmp_path, monkeypatch)
    source = (tmp_path / "patched_prompt.py").read_text()
    old_source = source.replace('"Be thorough." if workflow.patched("thorough") else ', "")
    assert old_source != source
    (tmp_path / "unpatched_prompt.py").write_text(old_source)
    before = importlib.import_module("unpatched_prompt")

    def model() -> dict[str, Any]:
        scripted = ScriptedModel(lambda call: say(call.system_prompt or ""))
        return {"claude": lambda: scripted}

    queue = working.queue
    async with agents(workflows=[before.PromptChat], models=model(), task_queue=queue) as env:
        live = await env.start(before.PromptChat.run)
        assert await live.execute_update("ask", "Hello?") == "Be brief."
    async with agents(workflows=[page.PromptChat], models=model(), task_queue=queue) as env:
        assert await live.execute_update("ask", "And now?") == "Be brief."
        fresh = await env.start(page.PromptChat.run)
        assert await fresh.execute_update("ask", "Hello?") == "Be thorough."
        for handle in (live, fresh):
            await handle.signal("close")
            await asyncio.wait_for(handle.result(), 60)
            await env.assert_replays(handle)


# --- Worker Versioning --------------------------------------------------------------------------------------


class Deployment:
    """The page's deployment, under a name of its own: a server keeps deployments."""

    def __init__(self, agents: Agents, server: DevServer, client: Client, page: Any) -> None:
        self.name, self.chat = f"chats-{uuid.uuid4()}", f"chat-{uuid.uuid4()}"
        self._agents, self._server, self._client, self._page = agents, server, client, page

    def version(self, build_id: str) -> Any:
        """Run workers of a version; its model says which one it is."""
        model = ScriptedModel(*[say(build_id)] * 20)
        config = importlib.import_module("versioned_worker").deployment(build_id)
        return self._agents(
            workflows=[
                Chat,
                self._page.FollowingChat,
                importlib.import_module("upgrading_chat").UpgradingChat,
            ],
            models={"claude": lambda: model},
            tools={"convert": convert},
            task_queue=self.name,
            deployment_config=replace(config, version=replace(config.version, deployment_name=self.name)),
        )

    async def run(self, *commands: Command) -> None:
        for command in commands:
            await command.run(self._server.address, {"chats": self.name, "chat-1": self.chat})

    async def _described(self, build_id: str) -> DescribeWorkerDeploymentVersionResponse:
        version = WorkerDeploymentVersion(deployment_name=self.name, build_id=build_id)
        request = DescribeWorkerDeploymentVersionRequest(
            namespace=self._client.namespace, deployment_version=version
        )
        try:
            service = self._client.workflow_service
            return await service.describe_worker_deployment_version(request, retry=True)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return DescribeWorkerDeploymentVersionResponse()

    async def polls(self, build_id: str) -> bool:
        """Tell whether the server knows that workers of the version poll for workflows and activities."""
        return len((await self._described(build_id)).version_task_queues) == 2

    async def drains(self, build_id: str) -> bool:
        """Tell whether the server drains the version, and its index finds the one workflow on it."""
        info = (await self._described(build_id)).worker_deployment_version_info
        query = f'TemporalWorkerDeploymentVersion = "{self.name}:{build_id}" AND ExecutionStatus = "Running"'
        counted = await self._client.count_workflows(query)
        draining = VersionDrainageStatus.VERSION_DRAINAGE_STATUS_DRAINING
        return info.drainage_info.status == draining and counted.count == 1


async def test_the_commands_of_worker_versioning(
    agents: Agents, server: DevServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("roll-out.md", "following_chat", tmp_path, monkeypatch)
    chats = Deployment(agents, server, client, page)
    first, *second, described, counted, moved, back = commands_of("roll-out.md")
    async with chats.version("1.0") as env:
        await until(lambda: chats.polls("1.0"))
        await chats.run(first)
        pinned = await env.start(Chat.run, id=chats.chat)
        started = await env.start(page.FollowingChat.run)
        following = env.client.get_workflow_handle(started.id)  # whichever run is the last
        upgrading = await env.start(importlib.import_module("upgrading_chat").UpgradingChat.run)
        assert await pinned.execute_update("ask", "Who?") == "1.0"
        assert await following.execute_update("turn", "Who?") == "1.0"
        assert await upgrading.execute_update("turn", "Who?") == "1.0"
        async with chats.version("2.0"):
            await until(lambda: chats.polls("2.0"))
            await chats.run(*second)
            await until(lambda: answers(following, "2.0"))
            assert await upgrading.execute_update("turn", "Who?") == "2.0"
            await following.terminate()
            await until(lambda: chats.drains("1.0"))
            await chats.run(described, counted)
            fresh = await env.start(Chat.run)
            assert await fresh.execute_update("ask", "Who?") == "2.0"
            assert await pinned.execute_update("ask", "Who?") == "1.0"
            await chats.run(moved)
            assert await pinned.execute_update("ask", "Who?") == "2.0"
            await chats.run(back)
            await until(lambda: answers(upgrading, "1.0"))
            assert await pinned.execute_update("ask", "Who?") == "2.0"
            assert await fresh.execute_update("ask", "Who?") == "2.0"
            again = await env.start(Chat.run)
            assert await again.execute_update("ask", "Who?") == "1.0"
            for handle in (upgrading, again):
                await env.assert_replays(handle)
            for handle in (pinned, fresh, upgrading, again):
                await handle.terminate()


async def answers(chat: WorkflowHandle[Any, Any], version: str) -> bool:
    """Tell whether a chat's next turn runs on a version."""
    return await chat.execute_update("turn", "Who?") == version
