"""Threads over AG-UI: a reader that comes back goes on exactly where it was, and a thread can be stopped."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play
from packages.streaming.tests.web_support import (
    AGENTS,
    Web,
    assert_conforms,
    joined,
    run_input,
    serving,
    sse,
    text_of,
    web,
)

from strands_temporal import ConversationClient
from strands_temporal_streaming.web import agent_app

pytestmark = pytest.mark.server

Events = list[tuple[str | None, dict[str, Any]]]


async def read_thread(
    http: httpx.AsyncClient, thread: str, last: str | None, until: Callable[[dict[str, Any]], bool]
) -> Events:
    """Read a thread's events after the one with the id `last`, up to the first for which `until` is true."""
    headers = {"last-event-id": last} if last else {}
    found: Events = []
    async with http.stream("GET", f"/threads/{thread}/events", headers=headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for id_, event in sse(answer):
            found.append((id_, event))
            if until(event):
                break
    return found


def is_over(event: dict[str, Any]) -> bool:
    return event["type"] in ("RUN_FINISHED", "RUN_ERROR")


def says_upon() -> Callable[[dict[str, Any]], bool]:
    """Return a test for the event that ends with this word."""
    text = ""

    def ends(event: dict[str, Any]) -> bool:
        nonlocal text
        text += event["delta"] if event["type"] == "TEXT_MESSAGE_CONTENT" else ""
        return text.endswith("upon ")

    return ends


def plain(events: Events) -> list[dict[str, Any]]:
    """Return events without ids, with texts in one piece."""
    return joined(event for _, event in events)


async def started(app: Web, agent: str, words: str, thread: str, run: str) -> "asyncio.Task[Any]":
    return asyncio.create_task(app.run(agent, words, thread=thread, run=run))


async def test_a_reload_in_mid_answer_goes_on_exactly(agents: Agents) -> None:
    said, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        said.set()
        await bounded(go_on)

    async with web(agents, lambda: LiveModel(play("Once ", "upon ", wait, "a ", "time."))) as app:
        thread = f"thread-{uuid.uuid4()}"
        running = await started(app, "plain", "tell", thread, "r1")
        await bounded(said)
        first = await read_thread(app.http, thread, None, says_upon())
        other = agent_app(app.env.client, AGENTS, task_queue=app.env.task_queue)  # another web server
        async with serving(other) as (url, _), httpx.AsyncClient(base_url=url, timeout=WAIT) as http:
            going_on = asyncio.create_task(read_thread(http, thread, first[-1][0], is_over))
            again = asyncio.create_task(app.run("plain", "tell", thread=thread, run="r1"))
            go_on.set()
            rest = await going_on
        whole = await read_thread(app.http, thread, None, is_over)
        assert plain([*first, *rest]) == plain(whole)
        assert text_of([event for _, event in whole]) == "Once upon a time."
        assert_conforms([event for _, event in whole])
        sent = await running
        assert joined(await again) == joined(sent)  # the same run, not a second one
        assert [event["type"] for event in joined(sent)] == [event["type"] for event in plain(whole)]
        await app.replays()


@pytest.mark.slow
async def test_each_place_is_a_place_to_go_on(agents: Agents) -> None:
    async with web(agents) as app:
        thread = f"thread-{uuid.uuid4()}"
        first = await app.run("asker", 'tool ask {"q": "go?"}', thread=thread, run="r1")
        (asked,) = first[-1]["outcome"]["interrupts"]
        answer = [{"interruptId": asked["id"], "status": "resolved", "payload": "left"}]
        body = run_input(None, thread=thread, run="r2", resume=answer)
        async with app.http.stream("POST", "/agents/asker", json=body) as response:
            second = [each async for each in sse(response)]
        ends = 0

        def is_second_end(event: dict[str, Any]) -> bool:
            nonlocal ends
            ends += is_over(event)
            return ends == 2

        whole = await read_thread(app.http, thread, None, is_second_end)
        assert [event for _, event in whole if event["runId" if "runId" in event else "type"] == "r1"]
        for i, (id_, _) in enumerate(whole[:-1]):
            rest = await read_thread(app.http, thread, id_, lambda e, end=whole[-1][1]: e == end)
            assert plain([*whole[: i + 1], *rest]) == plain(whole)
        # From a place in the run that answered, the run keeps its own id.
        middle = next(
            i for i, (id_, event) in enumerate(second) if id_ and event["type"] == "TEXT_MESSAGE_START"
        )
        rest = await read_thread(app.http, thread, second[middle][0], is_over)
        assert plain(rest) == plain(second[middle + 1 :])
        third = await app.run("asker", "thanks", thread=thread, run="r3")
        following = await read_thread(app.http, thread, second[-1][0], is_over)
        assert [event["type"] for event in plain(following)] == [event["type"] for event in joined(third)]
        assert following[0][1]["runId"] == "r3"
        await app.replays()


@pytest.mark.slow
async def test_a_turn_is_stopped_and_threads_are_listed(agents: Agents) -> None:
    said, never = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        said.set()
        await never.wait()

    async with web(agents, lambda: LiveModel(play("Once ", wait), play("Hello."))) as app:
        thread = f"thread-{uuid.uuid4()}"
        running = await started(app, "plain", "tell", thread, "r1")
        await bounded(said)
        told = (await app.http.get(f"/threads/{thread}")).json()
        assert (told["status"], told["agent"], told["turn"]) == ("thinking", "plain", 1)
        assert (await app.http.post(f"/threads/{thread}/cancel")).json() == {"cancelled": True}
        events = await running
        assert events[-1]["outcome"] == {"type": "cancelled"}
        assert_conforms(events)
        assert (await app.http.post(f"/threads/{thread}/cancel")).json() == {"cancelled": False}
        listed: list[Any] = []
        for _ in range(100):  # the server's list is a little behind
            listed = (await app.http.get("/threads", params={"agent": "plain"})).json()["threads"]
            if {"threadId": thread, "agent": "plain"} in listed:
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(listed)
        assert text_of(await app.run("plain", "again", thread=thread)) == "Hello."
        await app.replays()


@pytest.mark.slow
async def test_a_retried_call_takes_its_words_back(agents: Agents) -> None:
    parts = play("Half an ", "ans", ConnectionError("cut")), play("A whole ", "answer.")
    async with web(agents, lambda: LiveModel(*parts)) as app:
        events = await app.run("plain", "tell")
        assert text_of(events).endswith("A whole answer.")
        snapshots = [event["messages"] for event in events if event["type"] == "MESSAGES_SNAPSHOT"]
        assert [[message["role"] for message in messages] for messages in snapshots] == [["user"], ["user"]]
        assert_conforms(events)
        await app.replays()


@pytest.mark.slow
async def test_another_tab_has_the_whole_thread(agents: Agents) -> None:
    async with web(agents) as app:
        thread = f"thread-{uuid.uuid4()}"
        first = await app.run("plain", "one", thread=thread)
        mine = [
            *first[2]["messages"],
            {"id": first[3]["messageId"], "role": "assistant", "content": text_of(first)},
        ]
        second = await app.run("plain", "two", thread=thread, messages=mine)
        assert second[2]["messages"][:2] == mine  # the front end's own ids
        other = await app.run("plain", "three", thread=thread)  # of a tab that knows nothing
        roles = [message["role"] for message in other[2]["messages"]]
        assert roles == ["user", "assistant", "user", "assistant", "user"]
        texts = [message["content"] for message in other[2]["messages"]]
        assert texts == ["one", "You said one", "two", "You said two", "three"]
        chat = ConversationClient(app.env.client, thread)
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        ended = await app.run("plain", "four", thread=thread)
        assert ended[-1]["code"] == "THREAD_ENDED"
        await app.env.assert_replays(chat.handle)
