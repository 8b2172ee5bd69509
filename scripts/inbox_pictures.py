"""Pictures of the inbox, with a shop's refunds: `inbox_pictures.py [FOLDER]`.

A real dev server and worker, a scripted model, and a real Chromium. By default they go to docs/images.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from integration_tests.browser import Visit, browse, check_steps, click, fill, picture, script, wait_for
from packages.hitl.tests.inbox_agents import Shop, ShopWorkflow, make_clerk, refunds
from packages.streaming.tests.web_support import serving
from starlette.requests import Request
from temporalio.client import Client
from temporalio.worker import Worker

from scripts.drawings import IMAGES
from strands_temporal import ConversationClient, StrandsPlugin
from strands_temporal.testing import DevServer
from strands_temporal_hitl import ApprovalsClient, HITLPlugin, PendingApproval, Person
from strands_temporal_hitl._links import question_query
from strands_temporal_hitl.identity import SignedVerifier, sign_person
from strands_temporal_hitl.inbox import inbox_app

PAGES = ("list", "question", "review", "phone")
QUEUE, KEY = "shop", "a key of the pictures, of 32 bytes or more"
BO = Person("bo@shop.example", ["finance"])
TWO = {"verified": True, "deciders": {"groups": ["finance"], "quorum": 2, "four_eyes": True}}
LETTER = (
    "The lamp came broken on Monday. The customer has sent two pictures, and asks for the money and for the "
    "postage. We have sold 40 of these lamps this month, and 3 came back. "
)
_SETTLED = script("new Promise((then) => setTimeout(then, 700))")


def person_of(request: Request) -> Person:
    """Return who looks at the inbox."""
    del request
    return BO


@asynccontextmanager
async def shown_inbox() -> AsyncGenerator[tuple[str, str]]:
    """Yield the address of an inbox with questions, and the query of one with a vote."""
    plugins = [
        StrandsPlugin(models={"model": refunds}, agents={"clerk": make_clerk}),
        HITLPlugin(verify=SignedVerifier([KEY]), ticket_keys=["a ticket key of the pictures, 32 bytes"]),
    ]
    async with DevServer() as server:
        client = await Client.connect(server.address, plugins=plugins)
        async with Worker(client, task_queue=QUEUE, workflows=[ShopWorkflow]):
            large = {
                "number": "A-7",
                "amount": 940.0,
                "kind": "money",
                "notes": [LETTER * 4, "second return"],
            }
            query = await _ask(client, "refund-a-7", Shop(large, 3 * 3_600.0, {**TWO, "started_by": "eve"}))
            await _approve(client, "refund-a-7")
            for number, amount, left in (
                ("B-2", 18.5, 50 * 60.0),
                ("C-9", 60.0, 86_400.0),
                ("D-4", 12.0, None),
            ):
                given = {"number": number, "amount": amount, "kind": "voucher"}
                await _ask(client, f"refund-{number.lower()}", Shop(given, left))
            odd = {"number": "E-1\u202e", "amount": 5.0}
            await _ask(client, "refund-e-1", Shop(odd, 7_200.0))
            chat = await ConversationClient.start(client, "clerk", id="chat-ana", task_queue=QUEUE)
            talk = asyncio.create_task(chat.send("My parcel A-7 came broken. Please refund it."))
            await _asked(client, "chat-ana")
            app = inbox_app(client, authenticate=person_of, key=KEY)
            try:
                async with serving(app) as (url, _):
                    yield url, query
            finally:
                talk.cancel()
                await asyncio.gather(talk, return_exceptions=True)


async def _ask(client: Client, id_: str, shop: Shop) -> str:
    await client.start_workflow(ShopWorkflow.run, shop, id=id_, task_queue=QUEUE)
    return question_query(id_, (await _asked(client, id_)).id)


async def _asked(client: Client, id_: str) -> PendingApproval:
    approvals = ApprovalsClient(client, timeout=timedelta(seconds=30))
    for _ in range(300):
        if pending := await approvals.pending(id_):
            return pending[0]
        await asyncio.sleep(0.1)
    raise SystemExit(f"{id_} does not ask")


async def _approve(client: Client, id_: str) -> None:
    ana = sign_person(Person("ana@shop.example", ["finance"]), KEY, channel="email")
    await ApprovalsClient(client, credential=ana).approve(
        id_, await _asked(client, id_), reason="Pictures seen"
    )


def visits(url: str, query: str, folder: Path) -> list[Visit]:
    """Return a visit for each picture."""
    edit: list[Any] = [
        fill("#field-2", "900"),
        fill("#reason-fields", "Without the postage"),
        click("text=Look at the changes"),
        wait_for("text=Propose these"),
    ]
    pages: dict[str, tuple[str, list[Any], int, int]] = {
        "list": (f"{url}/?group=tool", [wait_for("text=6 questions wait")], 960, 600),
        "question": (f"{url}/question?{query}", [wait_for("text=Your decision")], 960, 1100),
        "review": (f"{url}/edit?{query}", edit, 960, 470),
        "phone": (f"{url}/question?{query}", [wait_for("text=Your decision")], 360, 640),
    }
    return [
        Visit(
            address,
            [*steps, _SETTLED, picture(folder / file_of(page, dark=dark), quality=70)],
            width=width,
            height=height,
            scale=1.25,
            dark=dark,
        )
        for page, (address, steps, width, height) in pages.items()
        for dark in (False, True)
    ]


def file_of(page: str, *, dark: bool) -> str:
    """Return the name of a picture's file."""
    return f"inbox-{page}{'-dark' if dark else ''}.webp"


async def main(arguments: Sequence[str]) -> None:
    """Make all pictures.

    Raises:
        SystemExit: The inbox does not show what the pictures are to show.
    """
    [folder] = map(Path, arguments or [str(IMAGES)])
    async with shown_inbox() as (url, query):
        check_steps(await asyncio.to_thread(browse, visits(url, query, folder)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
