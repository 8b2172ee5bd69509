"""The tutorial as a person follows it: its files as they stand on the page, its commands, what they print."""

import signal
import uuid
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from integration_tests.pages import DOCS, blocks, commands, files_in, sections, until_asked
from integration_tests.terminals import WAIT, Terminal, terminal
from strands_temporal_hitl import ApprovalsClient, PendingApproval

pytestmark = pytest.mark.server

PAGE = DOCS / "tutorial.md"
BEGINNING, *STEPS, _END = sections(PAGE)
UP = "The worker is up.\n"
APPROVE = "python -m strands_temporal_hitl approve desk-1 --by ana"


class Desk:
    """A folder with the files that a person has after a step, on this run's server."""

    def __init__(self, folder: Path, client: Client, step: int) -> None:
        self._folder = folder
        self._client = client
        self.approvals = ApprovalsClient(client, timeout=timedelta(seconds=WAIT))
        address = client.service_client.config.target_host
        self._variables = {"TEMPORAL_ADDRESS": address}
        # The server is shared with other tests, so the workflow and its queue get names of their own.
        self.id = f"desk-{uuid.uuid4()}"
        for name, source in (file for text in STEPS[:step] for file in files_in(text)):
            source = source.replace("localhost:7233", address)
            source = source.replace('"desk-1"', f'"{self.id}"').replace('"desk"', f'"{self.id}"')
            (folder / name).write_text(source)
        self.text = STEPS[step - 1]
        self.shown = blocks(PAGE, "text", self.text)

    def worker(self, **variables: str) -> AbstractAsyncContextManager[Terminal]:
        """Run `python worker.py`."""
        return terminal(variables, "worker", folder=self._folder)

    def client(self) -> AbstractAsyncContextManager[Terminal]:
        """Run `python client.py`."""
        return terminal({}, "client", folder=self._folder)

    async def question(self) -> PendingApproval:
        """Wait for the question that the desk asks a person."""
        await until_asked(self._client, self.id)
        [question] = await self.approvals.pending(self.id)
        return question

    def person(self, *args: str) -> AbstractAsyncContextManager[Terminal]:
        """Run `python -m strands_temporal_hitl`."""
        return terminal(self._variables, "strands_temporal_hitl", *args, folder=self._folder)


async def answers(client: Terminal, desk: Desk) -> None:
    """Assert that the client prints what the page shows."""
    seen = await client.rest()
    assert await client.exit_code() == 0, seen
    assert [seen.strip()] == [text.strip() for text in desk.shown]


def test_the_tutorial_has_four_steps_and_installs_what_it_uses() -> None:
    assert len(STEPS) == 4
    assert commands(PAGE, BEGINNING) == [
        'pip install "strands-temporal[dev,hitl]"',
        "temporal server start-dev",
    ]


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 2])
async def test_steps_without_a_person(client: Client, tmp_path: Path, step: int) -> None:
    desk = Desk(tmp_path, client, step)
    assert commands(PAGE, desk.text) == ["python worker.py", "python client.py"]
    async with desk.worker() as worker, desk.client() as asking:
        await worker.until(UP)
        await answers(asking, desk)
        if step == 2:
            await worker.until("looking up A-17\n")


@pytest.mark.slow  # the same commands as the page on people, with a program more
async def test_an_approval(client: Client, tmp_path: Path) -> None:
    desk = Desk(tmp_path, client, 3)
    assert commands(PAGE, desk.text) == [
        "python worker.py",
        "python client.py",
        "python -m strands_temporal_hitl list",
        APPROVE,
    ]
    assert '`reject desk-1 --reason "not this one" --by ana`' in desk.text
    async with desk.worker() as worker:
        await worker.until(UP)
        async with desk.client() as asking:
            await desk.question()
            async with desk.person("list") as person:
                seen = await person.rest()
                assert desk.id in seen
                assert 'refund {"order": "A-17", "amount": 30}' in seen
            async with desk.person("approve", desk.id, "--by", "ana") as person:
                await person.type("y")
                assert "approved by ana" in await person.rest()
            await answers(asking, desk)
        worker.send(signal.SIGINT)
        assert (await worker.rest()).count("refunding 30\n") == 1


@pytest.mark.slow
async def test_a_rejection(client: Client, tmp_path: Path) -> None:
    desk = Desk(tmp_path, client, 3)
    async with desk.worker() as worker:
        await worker.until(UP)
        async with desk.client() as asking:
            await desk.approvals.reject(desk.id, await desk.question(), reason="not this one", by="ana")
            assert "not this one" in await asking.rest()
        worker.send(signal.SIGINT)
        assert "refunding" not in await worker.rest()


@pytest.mark.slow
async def test_a_crash_at_the_worst_moment(client: Client, tmp_path: Path) -> None:
    desk = Desk(tmp_path, client, 4)
    assert commands(PAGE, desk.text) == [
        "CRASH=1 python worker.py",
        "python client.py",
        APPROVE,
        "python worker.py",
    ]
    async with desk.client() as asking:
        async with desk.worker(CRASH="1") as first:
            await first.until(UP)
            await desk.approvals.approve(desk.id, await desk.question(), by="ana")
            said = await first.rest()
            assert said.count("looking up A-17") == 1
            assert said.endswith("refunding 30\n")
            assert await first.exit_code() == 1
        async with desk.worker() as second:
            await answers(asking, desk)
            second.send(signal.SIGINT)
            said = await second.rest()
    assert "already refunded\n" in said
    assert "looking up" not in said
    assert len((tmp_path / "ledger.txt").read_text().splitlines()) == 1
