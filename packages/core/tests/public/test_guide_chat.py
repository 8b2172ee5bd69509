"""The guide's chat on a server that really suggests continue-as-new."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from strands.types.content import Messages
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

from strands_temporal import TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, agent_environment, say

pytestmark = pytest.mark.server

LIMIT = 30  # the server suggests it after this many events; 4096 by default


@dataclass
class ChatInput:
    messages: Messages = field(default_factory=list[Any])


@workflow.defn
class SuggestedChatWorkflow:
    def __init__(self) -> None:
        self._done = False
        self._lock = asyncio.Lock()
        self._agent: TemporalAgent | None = None

    @workflow.update
    async def turn(self, prompt: str) -> str:
        await workflow.wait_condition(lambda: self._agent is not None)
        async with self._lock:
            assert self._agent is not None
            return str(await self._agent.invoke_async(prompt)).strip()

    @workflow.signal
    def end_chat(self) -> None:
        self._done = True

    @workflow.query
    def messages(self) -> Messages:
        return list(self._agent.messages) if self._agent else []

    @workflow.run
    async def run(self, input: ChatInput) -> None:
        self._agent = TemporalAgent(
            model="m", start_to_close_timeout=timedelta(seconds=60), messages=list(input.messages)
        )
        await workflow.wait_condition(lambda: self._done or workflow.info().is_continue_as_new_suggested())
        await workflow.wait_condition(workflow.all_handlers_finished)
        if not self._done:
            workflow.continue_as_new(ChatInput(messages=self._agent.messages))


async def test_the_chat_goes_on_when_the_server_suggests_it(
    monkeypatch: pytest.MonkeyPatch, worker_options: dict[str, Any]
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)  # its server suggests it after thousands of events
    suggest = ["--dynamic-config-value", f"limit.historyCount.suggestContinueAsNew={LIMIT}"]
    model = ScriptedModel(lambda call: say(f"{call.text} of {len(call.messages)}"))
    async with (
        DevServer(extra_args=suggest) as server,
        agent_environment(
            server.address, workflows=[SuggestedChatWorkflow], models={"m": lambda: model}, **worker_options
        ) as env,
    ):
        handle = await env.start(SuggestedChatWorkflow.run, ChatInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        runs = [handle.first_execution_run_id]
        for number in range(12):
            said = await chat.execute_update(SuggestedChatWorkflow.turn, f"turn {number}")
            assert said == f"turn {number} of {2 * number + 1}"  # nothing was lost between runs
            if (run_id := (await chat.describe()).run_id) != runs[-1]:
                runs.append(run_id)
        assert len(await chat.query(SuggestedChatWorkflow.messages)) == 24
        await chat.signal(SuggestedChatWorkflow.end_chat)
        await chat.result()
        assert len(runs) >= 3
        for run_id in runs:
            run = env.client.get_workflow_handle(handle.id, run_id=run_id)
            history = await run.fetch_history()
            assert len(history.events) < 2 * LIMIT
            new = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
            assert (history.events[-1].event_type == new) == (run_id != runs[-1])
            await env.assert_replays(run)
