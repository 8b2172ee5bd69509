"""The console in a real Chromium: what a person sees and does there."""

import json
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests import console_agents as shop
from packages.streaming.tests.streaming_support import LiveModel, bounded, play

from integration_tests.browser import Visit, click, fill, go, press, script, tab, wait_for
from integration_tests.console_visits import GO_ON, ROWS, begin, console, send
from strands_temporal import ConversationClient
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

MARKUP = "<img src=x onerror='alert(1)'><script>alert(2)</script> [x](javascript:stop)"
MADE = """
const found = "#log img, #log script, #log iframe, #threads img, [onerror], a[href^=javascript]";
[document.querySelectorAll(found).length, document.title.includes("<img")]
"""
"""Whether a text became an element; the title shows it as it is."""


def hostile(call: ScriptedCall) -> Reply:
    """Say markup wherever a model may say something, if the person does; else answer as the shop."""
    if MARKUP not in call.prompt:
        return shop.answer(call)
    if call.tool_results:
        table = f"|{MARKUP}|b|\n|-|-|\n|{MARKUP}|c|"
        return say(f"**{MARKUP}**\n\n# {MARKUP}\n\n- {MARKUP}\n\n{table}\n\n```{MARKUP}\n{MARKUP}\n```")
    given = {"number": MARKUP, "amount": 1.5, "reason": MARKUP, MARKUP: MARKUP}
    return use_tool("refund", given, text=MARKUP)


async def test_a_person_chats_approves_and_sees_each_text_as_text(agents: Agents) -> None:
    async with console(agents, lambda: ScriptedModel(hostile)) as served:
        talk = Visit(
            served.url,
            [
                *begin("clerk", "where is my parcel?"),
                wait_for("text=track A-7 --since monday"),
                wait_for("#state >> text=idle"),
                script(ROWS),
                click(".call summary"),
                wait_for(".call >> text=2 attempts"),
                wait_for(".call .tool-body >> text=the database restarts"),
                script("document.querySelector('.call .tool-body').innerText"),
                script("document.querySelector('.timeline').getAttribute('aria-label')"),
                *send("refund my lamp"),
                click("text=Approve"),
                wait_for("text=Done: refunded 40.0 euros for A-7"),
                script(ROWS),
                script("location.hash.slice(1)"),
            ],
        )
        reads = Visit(
            served.url,
            [
                *begin("clerk", MARKUP),
                wait_for(".question"),
                wait_for("#threads >> text=<img src=x"),
                click(".call summary"),
                script(MADE),
                click("text=Reject"),
                fill(".question textarea", MARKUP),
                click("text=Reject the call"),
                wait_for(".markdown table"),
                script(MADE),
                script(ROWS),
                script("document.querySelector('.markdown td').textContent"),
            ],
        )
        talked, read = await served.visit(talk, reads)
        rows, details, label, after, thread = [value for value in talked.values if value is not None]
        assert rows[0].endswith("where is my parcel?")
        assert "Order A-7 left the warehouse" in rows[-1]
        assert "**" not in rows[-1]
        assert "the database restarts" in details
        assert "route" in details
        assert label.startswith("Timeline of turn 1: 4 steps")
        assert any("Approved by local" in row for row in after)
        asked, said, rows, cell = [value for value in read.values if value is not None]
        assert asked == said == [0, True]
        assert cell == "<img src=x onerror='alert(1)'><script>alert(2)</script> x (javascript:stop)"
        assert any(row.startswith("refund") and MARKUP in row for row in rows), rows
        await served.replays(thread)


@pytest.mark.slow
async def test_a_reload_in_mid_answer_shows_the_same_and_goes_on_in_two_tabs(agents: Agents) -> None:
    async with console(agents, lambda: model) as served:

        async def wait() -> None:
            await bounded(served.go_on)

        model = LiveModel(play("Before."), play("Once ", "upon ", wait, "a ", "time."))
        url = await served.thread("clerk", "tale")
        (seen,) = await served.visit(
            Visit(
                url,
                [
                    *send("hello"),
                    wait_for("text=Before."),
                    wait_for("#state >> text=idle"),
                    *send("tell"),
                    wait_for("text=Once upon"),
                    script(ROWS),
                    script("location.reload()"),
                    wait_for("text=Once upon"),
                    script(ROWS),
                    tab(1),
                    go(url),
                    wait_for("text=Once upon"),
                    script(ROWS),
                    GO_ON,
                    wait_for("text=Once upon a time."),
                    wait_for("#state >> text=idle"),
                    script(ROWS),
                    tab(0),
                    wait_for("text=Once upon a time."),
                    wait_for("#state >> text=idle"),
                    script(ROWS),
                ],
            )
        )
        first, again, other, end, same = [value for value in seen.values if value]
        assert first == again == other
        assert [row.split("\n")[-1] for row in first] == ["hello", "Before.", "tell", "Once upon"]
        assert end == same == [*first[:3], first[3].replace("upon", "upon a time.")]
        await served.replays("tale")


@pytest.mark.slow
async def test_a_person_rejects_with_a_reason_stops_and_moves_by_keyboard(agents: Agents) -> None:
    async with console(agents) as served:
        await served.thread("parrot", "other")
        (seen,) = await served.visit(
            Visit(
                await served.thread("clerk", "lamp"),
                [
                    *send("refund my lamp"),
                    wait_for(".question"),
                    press("Escape"),
                    press("q"),
                    script("document.activeElement.textContent"),
                    press("Tab"),
                    press("Tab"),
                    press("Enter"),
                    fill(".question textarea", "it was dropped"),
                    press("Tab"),
                    press("Enter"),
                    wait_for("text=Done: "),
                    script(ROWS),
                    *send("slow " + "word " * 60),
                    wait_for(".row.text >> text=word word"),
                    press("Escape"),
                    press("s"),
                    wait_for("text=Stopped."),
                    wait_for("#state >> text=idle"),
                    press("?"),
                    wait_for("dialog >> text=Keyboard"),
                    press("Escape"),
                    wait_for("#threads a >> nth=1"),
                    press("j"),
                    press("k"),
                    press("j"),
                    script("location.hash"),
                    press("n"),
                    wait_for("#start"),
                    press("/"),
                    script("document.activeElement.id"),
                ],
            )
        )
        button, rows, hash_, focus = [value for value in seen.values if value]
        assert button == "Approve"
        assert any("Rejected: it was dropped" in row for row in rows), rows
        assert "Rejected by local" in rows
        assert hash_ not in ("", "#new"), "a conversation of the list"
        assert focus == "words"
        await served.replays("lamp")


@pytest.mark.slow
async def test_a_person_edits_the_arguments_of_a_call(agents: Agents) -> None:
    edited = '{"number": "A-7", "amount": 12.5, "reason": "A part of it."}'
    async with console(agents) as served:
        (seen,) = await served.visit(
            Visit(
                await served.thread("clerk", "less"),
                [
                    *send("refund my lamp"),
                    click("text=Edit the arguments"),
                    fill(".question textarea", "no JSON"),
                    click("text=Approve with these"),
                    wait_for("text=This is no JSON object."),
                    fill(".question textarea", edited),
                    click("text=Approve with these"),
                    wait_for("text=Done: refunded 12.5 euros"),
                    script(ROWS),
                ],
            )
        )
        assert any("Edited by local" in row for row in seen.values[-1])
        await served.replays("less")


@pytest.mark.slow
async def test_sub_agents_agents_without_a_stream_failures_and_ended_chats_are_shown(agents: Agents) -> None:
    async with console(agents) as served:
        ended = await served.thread("parrot", "gone")
        chat = ConversationClient(served.env.client, "gone")
        await chat.send("last words")
        await chat.close()
        await chat.handle.result()
        asked, plain, failed, over = await served.visit(
            Visit(
                served.url,
                [*begin("manager", "ask Leipzig"), wait_for("text=The scout says"), script(ROWS)],
            ),
            Visit(served.url, [*begin("parrot", "*no* stream"), wait_for(".row.text em"), script(ROWS)]),
            Visit(served.url, [*begin("clerk", "fail it burns"), wait_for(".note.error"), script(ROWS)]),
            Visit(ended, [wait_for("#state >> text=completed"), script(ROWS), script("words.disabled")]),
        )
        (rows,) = asked.values
        assert any(row.startswith("Sub-agent scout") and "weather" in row for row in rows)
        assert plain.values[0][-1].endswith("no stream")
        assert any("it burns" in row for row in failed.values[0])
        assert over.values == [["You\n\nlast words", "Agent\n\nlast words"], True]


@pytest.mark.slow
async def test_two_hundred_messages_are_quick(agents: Agents) -> None:
    # With the cache: without it each of the messages would replay all before it.
    async with console(agents, max_cached_workflows=100) as served:
        url = await served.thread("clerk", "long")
        chat = ConversationClient(served.env.client, "long")
        for number in range(50):  # each turn has four messages
            await chat.send(f"look there {number}")
        (seen,) = await served.visit(
            Visit(
                url,
                [
                    wait_for(".row.text >> text=rain in there 49"),
                    script("Math.round(performance.now())"),
                    script(f"{ROWS}.length"),
                    script(
                        "(() => { const box = document.getElementById('scroll');"
                        "return box.scrollHeight - box.scrollTop - box.clientHeight < 100; })()"
                    ),
                ],
            )
        )
        took, rows, at_end = seen.values[-3:]
        assert rows == 150, "a message, a tool call and an answer for each turn"
        assert took < 15_000
        assert at_end is True


@pytest.mark.slow
async def test_axe_finds_nothing_serious(agents: Agents) -> None:
    from integration_tests.real_parts import npm_packages

    axe = (npm_packages({"axe-core": "4.11.0"}) / "axe-core" / "axe.min.js").read_text()
    checks: list[Any] = [
        script(f"{axe}; null"),
        script(
            "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations"
            ".filter((one) => ['serious', 'critical'].includes(one.impact))"
            ".map((one) => [one.id, ...one.nodes.map((node) => node.html + node.failureSummary)]))"
        ),
    ]
    async with console(agents) as served:
        chat = await served.thread("clerk", "seen")
        steps = [
            *send("where is my parcel?"),
            wait_for("text=track A-7 --since monday"),
            wait_for("#state >> text=idle"),
            click(".call summary"),
            *send("refund my lamp"),
            wait_for(".question"),
            click("text=Reject"),
        ]
        shown = [wait_for(".question"), click(".call summary"), click("text=Reject"), *checks]
        light = Visit(chat, [*steps, *checks])
        dark = Visit(chat, shown, dark=True)
        phone = Visit(chat, [*shown, click("#toggle"), *checks], width=360, height=740)
        lists = Visit(served.url, [wait_for("#threads a"), press("?"), *checks], width=360, height=740)
        (first,) = await served.visit(light)
        for seen in [first, *await served.visit(dark, phone, lists)]:
            found = [value for value in seen.values if isinstance(value, list)]
            assert found, seen
            assert json.dumps(found) == json.dumps([[] for _ in found])
