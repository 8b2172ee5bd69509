"""Pictures of the console, with the shop's agents of its tests: `console_pictures.py [FOLDER]`.

A real dev server and worker, a scripted model, and a real Chromium. By default they go to docs/images.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from integration_tests.browser import Visit, browse, check_steps, click, picture, script, wait_for
from packages.streaming.tests import console_agents as shop
from packages.streaming.tests.web_support import serving
from temporalio.client import Client
from temporalio.worker import Worker

from scripts.drawings import IMAGES
from strands_temporal import ConversationClient, StrandsPlugin
from strands_temporal.testing import DevServer
from strands_temporal_hitl import HITLPlugin
from strands_temporal_streaming.web import make_console

QUEUE = "shop"
FILES = ("console-light.png", "console-dark.png", "console-phone.png")
_SETTLED = script("new Promise((then) => setTimeout(then, 1500))")


class _Dev:
    """Stands for `strands-temporal dev`: the page then has its button."""

    ui_url = "http://127.0.0.1:8233"

    async def kill_worker(self) -> int | None:
        return None


@asynccontextmanager
async def shown_console() -> AsyncGenerator[str]:
    """Yield the address of a console with conversations of each kind."""
    plugin = StrandsPlugin(
        models=shop.models, agents={"clerk": shop.clerk, "parrot": shop.parrot, "manager": shop.manager}
    )
    async with DevServer() as server:
        client = await Client.connect(server.address, plugins=[plugin, HITLPlugin()])
        async with Worker(client, task_queue=QUEUE, activities=shop.activities):
            await _talk(client, "parrot", "goodbye", "Thank you, that was all.", ends=True)
            await _talk(client, "manager", "trip", "ask about Saturday in Leipzig")
            parcel = asyncio.create_task(_talk(client, "clerk", "parcel", "where is my parcel?"))
            lamp = asyncio.create_task(_talk(client, "clerk", "lamp", "refund my lamp, it came broken"))
            await parcel
            words = "Letter: " + "We pack your lamp with care, and it leaves the house today. " * 20
            story = asyncio.create_task(_talk(client, "clerk", "letter", words))
            try:
                async with serving(make_console(client, None, task_queue=QUEUE, dev=_Dev)) as (url, _):
                    yield url
            finally:
                for task in (lamp, story):
                    task.cancel()
                await asyncio.gather(lamp, story, return_exceptions=True)


async def _talk(client: Client, agent: str, id_: str, words: str, *, ends: bool = False) -> None:
    chat = await ConversationClient.start(client, agent, id=id_, task_queue=QUEUE)
    await chat.send(words)
    if ends:
        await chat.close()
        await chat.handle.result()


def visits(url: str, folder: Path) -> list[Visit]:
    """Return a visit for each picture."""
    light, dark, phone = (folder / name for name in FILES)
    lists = [wait_for("#threads >> text=waits for you"), wait_for("#threads >> text=running"), _SETTLED]
    return [
        Visit(
            f"{url}/#parcel",
            [
                *lists,
                wait_for("text=track A-7 --since monday"),
                click(".call summary"),
                script("document.getElementById('scroll').scrollTop = 0; document.activeElement.blur()"),
                _SETTLED,
                picture(light),
            ],
            width=1280,
            height=800,
            scale=1.25,
        ),
        Visit(
            f"{url}/#lamp",
            [*lists, wait_for(".question"), picture(dark)],
            width=1280,
            height=720,
            scale=1.25,
            dark=True,
        ),
        Visit(
            f"{url}/#lamp",
            [wait_for(".question"), _SETTLED, picture(phone)],
            width=360,
            height=720,
            scale=2,
        ),
    ]


async def main(arguments: Sequence[str]) -> None:
    """Make all pictures.

    Raises:
        SystemExit: The console does not show what the pictures are to show.
    """
    [folder] = map(Path, arguments or [str(IMAGES)])
    async with shown_console() as url:
        check_steps(await asyncio.to_thread(browse, visits(url, folder)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
