"""The demo's chat shows a stream: new runs, broken and lagging streams, margins. Runs in this process."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from examples.demo.listener import Listener
from examples.demo.screen import Screen
from examples.demo.workflow import MODEL, ChatInput, ChatWorkflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel, say
from strands_temporal_streaming import AgentEvent, AgentStream, StreamingPlugin, TextDelta, TurnEnd


@pytest.mark.server
async def test_a_long_chat_is_heard_on_in_a_new_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    turns = 8
    model = ScriptedModel(*(say(f"This is answer number {number}.", chunk=5) for number in range(turns)))
    plugins = [StrandsPlugin(models={MODEL: lambda: model}), StreamingPlugin()]
    early = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"]
    async with DevServer(extra_args=early) as server:
        client = await Client.connect(server.address, plugins=plugins)
        async with Worker(client, task_queue="chat", workflows=[ChatWorkflow]):
            chat = ChatInput(streaming=True)
            handle = await client.start_workflow(ChatWorkflow.run, chat, id="chat", task_queue="chat")
            screen = Screen(width=60)
            listener = Listener(screen, AgentStream(client, "chat"))
            for _ in range(turns):
                async with listener.turn() as reader:
                    answer = await asyncio.wait_for(handle.execute_update(ChatWorkflow.turn, "Go on."), 30)
                    await listener.catch_up(reader)
                    assert reader.done()
                    screen.answer(answer, 1.0)
            await handle.signal(ChatWorkflow.end_chat)
            await asyncio.wait_for(handle.result(), 30)
            assert (
                await client.get_workflow_handle("chat").describe()
            ).run_id != handle.first_execution_run_id
            assert len(await client.get_workflow_handle("chat").query(ChatWorkflow.messages)) == 2 * turns
    assert capsys.readouterr().out == "".join(
        f"agent ▸ This is answer number {number}.  1.0 s\n" for number in range(turns)
    )


_GONE = "  (The stream cannot be read: gone)\n"
_WHOLE = "agent ▸ Half of it, and the rest.                      1.0 s\n"


@pytest.mark.parametrize(
    ("heard", "shown"),
    [
        ("", _GONE + _WHOLE),
        ("Half of", f"agent ▸ Half of\n{_GONE}        it, and the rest.  1.0 s\n"),
        (
            "Something else",
            f"agent ▸ Something else\n{_GONE}  (not all of it arrived; the whole answer:)\n{_WHOLE}",
        ),
    ],
    ids=["nothing", "a part", "other words"],
)
async def test_without_a_stream_the_answer_is_still_whole(
    heard: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken() -> AsyncIterator[AgentEvent]:
        yield TextDelta(heard, "call")
        raise ConnectionError("gone")

    screen = Screen(width=60)
    listener = Listener(screen, broken())
    async with listener.turn() as reader:
        await listener.catch_up(reader)
        screen.answer("Half of it, and the rest.", 1.0)
    assert capsys.readouterr().out == shown


async def test_a_stream_that_lags_does_not_speak_into_the_next_turn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    come = asyncio.Event()

    async def late() -> AsyncIterator[AgentEvent]:
        yield TextDelta("The first answer", "1")
        await come.wait()
        yield TextDelta(" in full.", "1")
        yield TurnEnd("end_turn")
        yield TextDelta("The second", "2")
        yield TextDelta(" one.", "2")
        yield TurnEnd("end_turn")

    class Stream:
        events = late()

        def __aiter__(self) -> AsyncIterator[AgentEvent]:
            return self

        async def __anext__(self) -> AgentEvent:
            if self.next is None:
                self.next = asyncio.ensure_future(anext(self.events))
            event = await asyncio.shield(self.next)
            self.next = None
            return event

        next: "asyncio.Future[AgentEvent] | None" = None

    screen = Screen(width=60)
    listener = Listener(screen, Stream())
    async with listener.turn():
        await asyncio.wait_for(listener.spoke.wait(), 10)
        screen.answer("The first answer in full.", 1.0)
    async with listener.turn() as reader:
        come.set()
        await listener.catch_up(reader)
        screen.answer("The second one.", 2.0)
    assert capsys.readouterr().out == (
        "agent ▸ The first answer in full.  1.0 s\nagent ▸ The second one.  2.0 s\n"
    )


def test_an_answer_is_wrapped_wherever_its_pieces_break(capsys: pytest.CaptureFixture[str]) -> None:
    answer = "A word that is cut in pieces must not be torn at the margin, extraordinarily so.\n\nNew line."
    for size in (1, 3, 7, 100):
        screen = Screen(width=40)
        for start in range(0, len(answer), size):
            screen.hear(answer[start : start + size])
        screen.answer(answer, 1.0)
        assert capsys.readouterr().out == (
            "agent ▸ A word that is cut in pieces\n"
            "        must not be torn at the margin,\n"
            "        extraordinarily so.\n"
            "\n"
            "        New line.  1.0 s\n"
        )
