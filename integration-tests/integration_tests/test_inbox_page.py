"""The inbox in a real Chromium: what a person sees and does there."""

import asyncio
import json
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import approver_for
from packages.hitl.tests.inbox_agents import Shop
from packages.hitl.tests.inbox_browser import HOSTILE

from integration_tests.browser import Visit, click, fill, go, press, script, wait_for
from integration_tests.inbox_visits import inbox

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

FOCUS = script("document.activeElement.id || document.activeElement.className")
MADE = script("document.querySelectorAll('main script, main img, main b, [onerror]').length")
CLOSED = script(
    "new Promise((then) => { const timer = setInterval(() => { if (!document.querySelector('dialog').open) "
    "{ clearInterval(timer); then(null); } }, 20); })"
)
WIDER = script("document.documentElement.scrollWidth - document.documentElement.clientWidth")


async def test_a_person_decides_without_scripts_and_with_keys_and_sees_each_text_as_text(
    agents: Agents,
) -> None:
    async with inbox(agents) as served:
        first, *_ = await served.ask(Shop({"number": HOSTILE, "amount": 40.0}, 3_600.0))
        second, *_ = await served.ask(Shop({"number": "B-2", "amount": 5.0}, 3_600.0))
        plain = Visit(
            f"{served.url}/",
            [
                click(".row-link"),
                wait_for("text=Your decision"),
                MADE,
                script("document.querySelector('.card .tree .value').textContent"),
                click("#edit"),
                fill("#field-2", "12.5"),
                click("text=Look at the changes"),
                wait_for("text=Approve with these"),  # a click does not wait for the page that it asks for
                script("[...document.querySelectorAll('.changes td')].map((td) => td.innerText.trim())"),
                click("#approve"),
                wait_for("text=This question is decided"),
            ],
            scripts=False,
        )
        keyed = Visit(
            f"{served.url}/",
            [
                wait_for("text=/59 minutes/"),
                press("j"),
                FOCUS,
                press("Enter"),
                wait_for("text=Your decision"),
                press("r"),
                FOCUS,
                script("document.activeElement.blur()"),
                press("a"),
                FOCUS,
                WIDER,
                press("Enter"),
                wait_for("text=This question is decided"),
            ],
            width=360,
            height=740,
        )
        read, typed = await served.visit(plain, keyed)
        shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
        assert read.values == [0, shown, ["40.0", "12.5"]]
        assert typed.values == ["row-link", "reason", None, "approve", 0]
        assert f"refunded 12.5 for {HOSTILE}" in await first.result()
        assert "refunded 5.0 for B-2" in await second.result()
        for shop in (first, second):
            await served.env.assert_replays(shop)


@pytest.mark.slow
async def test_the_pages_follow_what_happens(agents: Agents) -> None:
    async with inbox(agents) as served:
        shop, pending, page = await served.ask(Shop({"number": "A-1", "amount": 1.0}))
        later = asyncio.create_task(_after(7, lambda: served.ask(Shop({"number": "A-2", "amount": 2.0}))))
        live = Visit(
            f"{served.url}/",
            [
                wait_for("text=1 question waits."),
                press("j"),
                wait_for("text=2 questions wait."),
                FOCUS,
                script("document.querySelector('#spoken').textContent"),
                script("document.title"),
            ],
        )
        (seen,) = await served.visit(live)
        assert seen.values[0] == "row-link"  # the list was replaced, and the focus stayed
        assert seen.values[1].startswith("2 questions wait.")
        assert seen.values[2].startswith("(2) Inbox")
        other, *_ = await later
        decided = asyncio.create_task(_after(8, lambda: _approve(served, shop.id, pending)))
        (seen,) = await served.visit(
            Visit(
                page,
                [
                    fill("#reason", "what I type stays"),
                    wait_for("#changed"),
                    script("document.querySelector('#reason').value"),
                    click("#changed a"),
                    wait_for("text=This question is decided"),
                    press("?"),
                    wait_for("#shortcuts"),
                    press("Escape"),
                    CLOSED,  # only then do keys count again
                    press("u"),
                    wait_for("text=1 question waits."),
                ],
            )
        )
        await decided
        assert seen.values == ["what I type stays", None]
        await other.terminate()


async def _after(seconds: float, act: Any) -> Any:
    await asyncio.sleep(seconds)  # a browser starts meanwhile: nothing tells when its page is open
    return await act()


async def _approve(served: Any, workflow_id: str, pending: Any) -> Any:
    return await approver_for(served.env.client).approve(workflow_id, pending, by="ana")


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
    async with inbox(agents) as served:
        notes = ["came broken", "x" * 900, HOSTILE]
        shop, _, page = await served.ask(Shop({"number": HOSTILE, "amount": 40.0, "notes": notes}, 3_000.0))
        edit = page.replace("/question?", "/edit?")
        review = [
            go(edit),
            *checks,
            fill("#field-2", "much"),
            click("text=Look at the changes"),
            wait_for("text=is not a number"),
            *checks,
            fill("#field-2", "12"),
            click("text=Look at the changes"),
            wait_for("text=Approve with these"),
            *checks,
        ]
        everything = [*checks, go(page), wait_for("text=Your decision"), click("details summary"), *checks]
        # A page that says what is wrong in a form has the status 422, which the console of Chromium notes.
        visits = [
            Visit(f"{served.url}/", everything),
            Visit(f"{served.url}/", everything, dark=True, width=360, height=740),
        ]
        for seen in await served.visit(*visits):
            found: list[Any] = [value for value in seen.values if isinstance(value, list)]
            assert len(found) == 2
            assert json.dumps(found) == json.dumps([[] for _ in found])
        (seen,) = await served.visit(Visit(edit, review), faults=("422",))
        found: list[Any] = [value for value in seen.values if isinstance(value, list)]
        assert json.dumps(found) == "[[], [], []]"
        await shop.terminate()
