"""What an operator sees of approvals: current details, log lines, the timer's summary, described queries."""

import logging
import re
from typing import Any

import pytest
from packages.core.tests.workflow.operator_scenes import metadata, summaries
from packages.hitl.tests.approvals_support import BY, deletes, deletes_two

pytestmark = pytest.mark.server


def lines_of(caplog: pytest.LogCaptureFixture, workflow_id: str) -> list[str]:
    """Return the lines about questions, each once: `pause` queries meanwhile (docs/operations.md)."""
    start = f"workflow_id=<{workflow_id}>, "
    said = [record.getMessage() for record in caplog.records if record.name == "strands_temporal.agents"]
    lines = [re.sub(r"seconds=<\d+\.\d+>", "seconds=<S>", line.removeprefix(start)) for line in said]
    return [*dict.fromkeys(line for line in lines if "question=" in line)]


async def test_a_question_is_in_the_details_in_the_log_and_on_the_timer(
    setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal.agents")
    async with setting(deletes_two()) as s:
        handle, notice = await s.pause(3600.0)
        first, second = notice.pending
        details = (await metadata(handle)).current_details.split("\n\n")
        await s.approver.approve(handle.id, first, by=BY)
        left = (await metadata(handle)).current_details
        await s.approver.reject(handle.id, second, by=BY, reason="a secret reason")
        await s.end(handle)
        after = (await metadata(handle)).current_details
        found = await summaries(await handle.fetch_history())
    agent, until = "Strands Agents", f"{first.deadline[:19].replace('T', ' ')} UTC"
    assert details == [
        f"2 questions wait for people: delete_file of {agent} until {until}, "
        f"delete_file of {agent} until {until}",
        f"**{agent}**: waiting for people, turn 1",
        "1 model call, 20 tokens in, 10 tokens out",
    ]
    assert left.startswith("1 question waits for people: delete_file of ")
    assert after.startswith(f"**{agent}**: idle, turn 1")
    assert found == [
        ("invoke_model", "model · turn 1"),
        ("timer", "deadline of 2 questions"),
        ("hitl-setup", "what the worker offers approvals"),
        ("hitl-tell", "test"),
        ("invoke_model", "model · turn 1"),
    ]
    asked = f"agent=<{agent}>, question=<{{}}>, tool=<delete_file>, deadline=<{first.deadline}>"
    decided = f"agent=<{agent}>, question=<{{}}>, tool=<delete_file>, outcome=<{{}}>, by=<{BY}>, seconds=<S>"
    assert lines_of(caplog, handle.id) == [
        asked.format(first.id) + " | a question waits for a person",
        asked.format(second.id) + " | a question waits for a person",
        decided.format(first.id, "approved") + " | the question is decided",
        decided.format(second.id, "rejected") + " | the question is decided",
    ]
    assert "secret" not in "".join(lines_of(caplog, handle.id))


async def test_a_deadline_that_passes_is_logged(setting: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "strands_temporal.agents")
    async with setting(deletes()) as s:
        handle = await s.env.start(s.env.workflows[0].run, 0.5)
        await s.end(handle)
    last = lines_of(caplog, handle.id)[-1]
    assert "outcome=<expired>, seconds=<S> | the question is decided" in last


async def test_queries_are_described_and_answer_a_person(setting: Any) -> None:
    async with setting(deletes()) as s:
        handle, notice = await s.pause()
        told = (await metadata(handle)).definition.query_definitions
        described = {query.name: query.description for query in told}
        assert described["pending_approvals"].startswith("The questions that wait for a person")
        assert described["approval_records"].startswith("The decisions")
        assert described["approval_answer"].startswith("For ApprovalsClient")
        assert await handle.query("approval_answer") == described["approval_answer"]
        assert await handle.query("approval_records", "all") == (
            "Give the number of records to skip, or nothing for the first ones"
        )
        assert len(await handle.query("pending_approvals", "all")) == 1
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        await s.end(handle)
        assert len(await handle.query("approval_records")) == 1
