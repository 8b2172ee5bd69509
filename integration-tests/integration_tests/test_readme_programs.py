"""README.md's programs as processes: what a person sees in both terminals."""

import re
import shlex
import signal
from pathlib import Path

import pytest
from packages.core.tests.command_processes import dev_running, piped, user_folder
from pytest_examples import find_examples
from strands import Agent

from integration_tests.pages import commands, files_in, sections
from integration_tests.terminals import ROOT, terminal
from strands_temporal import testing
from strands_temporal.testing import DevServer, ScriptedModel

BLOCKS = [example.source for example in find_examples(ROOT / "README.md")]


def block(mark: str) -> str:
    """Return the one code block of README.md that contains `mark`."""
    [found] = [source for source in BLOCKS if mark in source]
    return found


def replaced(pattern: str, instead: str, source: str) -> str:
    """Replace what must be there once."""
    changed, count = re.subn(pattern, lambda _: instead, source, flags=re.DOTALL)
    assert count == 1
    return changed


@pytest.fixture
def programs(server: DevServer, tmp_path: Path) -> dict[str, str]:
    """README.md's three files, on this run's server. Returns the environment variables to run them."""
    without_a_key = block("ScriptedModel")
    plugin = without_a_key.splitlines()[-1]
    worker = replaced(r"plugin = StrandsPlugin\(.*?\n    \)", plugin, block("await Worker("))
    client = replaced(r"call_later\(10,", "call_later(0.1,", block("execute_workflow"))
    (tmp_path / "hello_workflow.py").write_text(block("class HelloWorkflow"))
    for name, source in (("worker", without_a_key.replace(plugin, "") + worker), ("client", client)):
        (tmp_path / f"{name}.py").write_text(replaced("localhost:7233", server.address, source))
    return {"PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}


@pytest.mark.server
async def test_the_client_says_that_no_worker_answers_and_the_worker_that_it_is_up_and_ends_by_ctrl_c(
    programs: dict[str, str],
) -> None:
    async with terminal(programs, "client") as client:
        assert await client.until("\n") == "No answer after 10 s. Is worker.py running?\n"
        async with terminal(programs, "worker") as worker:
            assert await worker.until("\n") == "The worker is up. Ctrl+C ends it.\n"
            assert await client.rest() == "You said: Say hello.\n\n"
            worker.send(signal.SIGINT)
            # The agent's default callback handler prints the answer here, too.
            assert (await worker.rest(), await worker.exit_code()) == ("You said: Say hello.", 0)
    assert await client.exit_code() == 0


@pytest.mark.server
def test_a_newcomer_installs_writes_one_file_and_chats(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    [section] = [part for part in sections(readme) if part.startswith("## A durable agent in ten lines")]
    [(name, source)] = files_in(section)
    install, dev, chat = [shlex.split(line) for line in commands(readme, section)]
    assert install[:2] == ["pip", "install"]
    assert dev[:3] == ["strands-temporal", "dev", name]
    assert chat[0] == "strands-temporal"
    assert len(source.splitlines()) <= 14
    with user_folder(tmp_path) as folder:
        folder.write(name, source)
        with dev_running(folder, *dev[2:], "--model", "scripted") as running:
            running.event("ready")
            code, out, err = piped(folder, *chat[1:], typed="Hello!\n")
    assert (code, out) == (0, "You said: Hello!\n"), err


def test_the_model_that_takes_its_time_answers_as_the_other_one() -> None:
    [shown] = re.findall(r"`(ScriptedModel\([^`]*)`", (ROOT / "README.md").read_text())
    quick = replaced(r"after\(10\)", "after(0.01)", shown)
    model: ScriptedModel = eval(quick, dict(vars(testing)))  # noqa: S307  # the page's own code
    assert str(Agent(model, callback_handler=None)("Hi")) == "You said: Hi\n"
