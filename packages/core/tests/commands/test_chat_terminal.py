"""`strands-temporal chat` in a terminal: streaming, approvals inline, its commands."""

import re
from collections.abc import Generator
from pathlib import Path

import pexpect
import psutil
import pytest
from packages.core.tests.command_processes import Dev, Folder, called, dev_running, user_folder

pytestmark = [pytest.mark.server, pytest.mark.slow]

AGENTS = r'''
import os
from datetime import timedelta

from strands import tool
from strands.vended_interventions.hitl import HumanInTheLoop
from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool


@tool
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"{path} is gone"


def desk() -> TemporalAgent:
    return TemporalAgent(
        model="scripted",
        tools=[delete_file],
        interventions=[HumanInTheLoop()],
        streaming_topic="events",
        streaming_batch_interval=timedelta(milliseconds=50),
        start_to_close_timeout=timedelta(seconds=60),
        heartbeat_timeout=timedelta(seconds=2),
    )


def answer(call):
    if call.tool_results:
        return say(f"Done: {call.text}")
    if "delete" in call.text:
        return use_tool("delete_file", {"path": "/tmp/x\x1b[2J"})
    if "slow" in call.text:
        return say("one two three").after(8)
    return say("It is \x1b[31mred\x07.")


models = {"scripted": lambda: ScriptedModel(answer)}
'''


@pytest.fixture
def folder(tmp_path: Path) -> Generator[Folder]:
    with user_folder(tmp_path) as made:
        made.write("agents.py", AGENTS)
        yield made


@pytest.fixture
def dev(folder: Folder) -> Generator[Dev]:
    with dev_running(folder, "agents.py") as running:
        running.event("ready")
        yield running


def test_a_person_chats_approves_and_leaves(folder: Folder, dev: Dev) -> None:
    chat = folder.spawn("chat")
    chat.expect("you>")
    chat.sendline("What colour?")
    chat.expect(r"desk>.*It is ")
    chat.expect_exact(r"\x1b[31mred\x07.")  # as text: the terminal does not turn red
    chat.expect("you>")
    chat.sendline("please delete it")
    chat.expect(re.escape(r'delete_file {"path": "/tmp/x\u001b[2J"}'))
    chat.expect("Allow it")
    chat.sendline("y it is old")
    chat.expect("is gone")
    chat.expect("you>")
    chat.sendline("/hstory")
    chat.expect(r"There is no /hstory. Did you mean '/history'\?")
    chat.sendline("/history")
    chat.expect("you: What colour")
    chat.expect("calls delete_file")
    chat.sendline("/close")
    chat.expect(r"has ended \(closed\)")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0
    assert dev.process.isalive()


def test_a_quick_answer_is_shown_once_and_after_its_tools(folder: Folder) -> None:
    """The answer of the update comes before the stream has brought the turn."""
    folder.write("agents.py", AGENTS.replace("interventions=[HumanInTheLoop()],", ""))
    with dev_running(folder, "agents.py") as dev:
        dev.event("ready")
        chat = folder.spawn("chat", "desk")
        chat.expect("you>")
        for _ in range(3):
            chat.sendline("please delete it")
            chat.expect("you>")
            shown = str(chat.before)
            assert shown.count("desk>") == 1, shown
            assert shown.index("delete_file: success") < shown.index("Done: ")
        chat.sendline("/quit")
        chat.expect(pexpect.EOF)
        assert "Done" not in str(chat.before)


def test_a_turn_is_cancelled_by_command_and_by_ctrl_c(folder: Folder, dev: Dev) -> None:
    chat = folder.spawn("chat", "desk")
    for stop in ("/cancel", "\x03"):
        chat.expect("you>")
        chat.sendline("slow")
        dev.look()
        chat.expect(pexpect.TIMEOUT, timeout=1)
        (chat.sendline if stop == "/cancel" else chat.send)(stop)
        chat.expect("stop reason: cancelled")
    chat.expect("you>")
    chat.send("\x03")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 130


def test_the_worker_is_killed_in_the_middle_of_an_answer(folder: Folder, dev: Dev) -> None:
    chat = folder.spawn("chat", "desk")
    chat.expect("you>")
    chat.sendline("slow")
    chat.expect(pexpect.TIMEOUT, timeout=1)
    chat.sendline("/kill-worker")
    chat.expect("SIGKILL: worker process")
    assert dev.event("died")["code"] == 137
    chat.expect("one two three")
    chat.sendline("/quit")
    chat.expect(r"It goes on: strands-temporal chat --workflow-id desk-\w+")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


def test_a_change_in_the_middle_of_an_answer_loses_nothing(folder: Folder, dev: Dev) -> None:
    chat = folder.spawn("chat", "desk")
    chat.expect("you>")
    chat.sendline("slow")
    chat.expect(pexpect.TIMEOUT, timeout=1)
    folder.write("agents.py", AGENTS.replace("one two three", "four five six"))
    assert dev.event("changed")["files"]
    assert dev.event("ready")["number"] == 2
    chat.expect("four five six")
    chat.expect("you>")
    chat.sendline("What colour?")
    chat.expect("desk>.*It is ")
    chat.sendline("/quit")
    chat.expect(pexpect.EOF)


def test_one_terminal_for_all(folder: Folder) -> None:
    """`dev --chat`: the person sees the chat, what fails in it, and leaves everything by leaving the chat."""
    folder.write("agents.py", AGENTS.replace("say(f", "unknown(f"))
    chat = folder.spawn("dev", "agents.py", "--chat")
    chat.expect("you>")
    children = psutil.Process(chat.pid).children(recursive=True)
    assert len(children) == 4
    chat.sendline("What colour?")
    chat.expect("It is ")
    chat.expect("you>")
    chat.sendline("please delete it")
    chat.expect("Allow it")
    chat.sendline("y")
    chat.expect("No answer: .*'unknown' is not defined")
    folder.write("agents.py", AGENTS)
    chat.expect("Changed +agents.py")
    chat.expect("Worker 2 ")
    chat.sendline("please delete it")
    chat.expect("Allow it")
    chat.sendline("y")
    chat.expect("Done: ")
    chat.expect("you>")
    chat.sendline("/help")
    chat.expect("/quit +leave, and end the server and the conversation")
    chat.sendline("/quit")
    chat.expect("The server ends now, and the conversation with it")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0
    assert not psutil.wait_procs(children, timeout=10)[1]


def test_a_file_keeps_the_conversation_of_one_terminal(folder: Folder) -> None:
    """The commands that `/quit` shows go on with it."""
    chat = folder.spawn("dev", "agents.py", "--chat", "--db-filename", "chats.db")
    chat.expect("you>")
    chat.sendline("What colour?")
    chat.expect("It is ")
    chat.expect("you>")
    chat.sendline("/quit")
    chat.expect(r"It goes on with: strands-temporal (.+), and in another terminal: strands-temporal (.+)\x1b")
    server, again = chat.match.groups() if isinstance(chat.match, re.Match) else ("", "")
    chat.expect(pexpect.EOF)
    with dev_running(folder, *server.split()[1:]) as dev:
        dev.event("ready")
        code, out, err = called(folder, *again.split(), typed="/history\n/close\n")
        assert (code, out) == (0, "")
        assert "you: What colour?" in err


WORKFLOW = """
from temporalio import workflow
from strands_temporal import ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.workflow import Conversation


def make_agent(name: str = "you") -> TemporalAgent:
    return TemporalAgent(system_prompt=f"You speak with {name}")


@workflow.defn
class Support:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, max_turns=2)

    @workflow.run
    async def run(self, start: ConversationStart) -> None:
        await self.chat.run()
"""


def test_a_workflow_of_ones_own_and_its_end(folder: Folder) -> None:
    folder.write("support.py", WORKFLOW)
    with dev_running(folder, "support.py:Support", "--model", "scripted") as dev:
        ready = dev.event("ready")
        assert (ready["workflows"], ready["agents"]) == (["Support"], [])
        code, out, err = called(folder, "chat", "--workflow", "Support", typed="one\ntwo\nthree\n")
        assert (code, out) == (1, "You said: one\nYou said: two\n")
        assert "The conversation has ended" in err
        assert "Not sent: three" in err or "did not answer this" in err
        code, out, err = called(folder, "chat", typed="")
        assert (code, out) == (1, "")
        assert "has no agents" in err


def test_a_conversation_that_has_ended(folder: Folder, dev: Dev) -> None:
    del dev
    chat = ("chat", "--workflow-id", "mine")
    code, out, err = called(folder, "chat", "desk", "--workflow-id", "mine", typed="What colour?\n/close\n")
    assert (code, "has ended (closed)" in err) == (0, True)
    code, out, err = called(folder, *chat, typed="")
    assert (code, out) == (1, "")
    assert "The conversation 'mine' has ended (completed). `strands-temporal history mine` shows it" in err
    code, out, err = called(folder, *chat, "desk", typed="/quit\n")
    assert code == 0
    assert "It is new and empty: the one before under this id has ended (completed)" in err
    code, out, err = called(folder, "chat", "--workflow-id", "never", typed="")
    assert "No conversation 'never' runs" in err


def test_a_server_that_goes_away_is_told_in_one_line(folder: Folder, dev: Dev) -> None:
    chat = folder.spawn("chat", "desk")
    chat.expect("you>")
    chat.sendline("slow")
    chat.expect(pexpect.TIMEOUT, timeout=1)
    assert dev.end() == 0
    chat.expect("The server is gone: ")
    assert "WARN" not in str(chat.before)
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 1


def test_without_a_person_a_question_stays_open(folder: Folder, dev: Dev) -> None:
    del dev
    code, out, err = called(folder, "chat", "desk", typed="please delete it\n")
    assert (code, out) == (1, "")
    assert "waits for a person, and the input has ended" in err
    workflow_id = err.split("--workflow-id ")[1].split()[0]
    code, out, err = called(
        folder, "chat", "--workflow-id", workflow_id, typed="/history\nwhy\nn too dangerous\n"
    )
    assert "The agent wants to call delete_file" in err
    assert "Type" not in out
