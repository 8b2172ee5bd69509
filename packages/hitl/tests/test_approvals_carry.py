"""`ApprovalsCarry`: its content, its size, and carries that do not fit their workflow."""

import asyncio
import hashlib
import importlib
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import BY, Gate, asked_by, chain, delete_file, deletes
from packages.hitl.tests.carried_support import next_run
from strands.interrupt import Interrupt
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry, CarryTooLargeError, TemporalAgent
from strands_temporal_hitl import Approvals, ApprovalsCarry, ShownCall
from strands_temporal_hitl._carry import Carried, pack, unpack
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._state import Granted
from strands_temporal_hitl._turn import Asked

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
USE: Any = {"toolUseId": "t", "name": "delete", "input": {"path": "/\ud800"}}


def busy_ledger(agent_id: str = "agent") -> Ledger:
    """Return a ledger with an entry of each kind."""
    ledger = Ledger(True, False)
    interrupts = [
        (Interrupt("a", "approval", {"why": [1, None]}), asked_by(USE)),
        (Interrupt("\ud800", "approval"), Asked("clerk", [ShownCall("clerk", {"input": "x"}, "head")])),
    ]
    granted = [Granted(["call", "t"], "delete", {"path": "/a"}, {"path": "/b"})]
    pause = ledger.ask(agent_id, interrupts, granted=granted, now=NOW, deadline=timedelta(days=7), run_id="r")
    pause.told.append("ops")
    ledger.decide({"id": "a", "verdict": "respond", "by": "ana", "response": {"n": 1.5}}, NOW, "u1")
    ledger.decide({"id": "later", "verdict": "reject", "by": "bo", "early": True}, NOW, "u2")
    return ledger


@pytest.mark.parametrize("converter", [DataConverter.default, pydantic_data_converter])
async def test_all_of_it_goes_across(converter: DataConverter) -> None:
    ledger = busy_ledger()
    answered = {"u1": ledger.records[0]}
    payloads = await converter.encode([pack(ledger.state, answered, [])])
    (carry,) = await converter.decode(payloads, [ApprovalsCarry])
    assert unpack(carry) == Carried(ledger.state, answered)
    later = Ledger(True, False, unpack(carry).state)
    assert later.pending == ledger.pending
    assert later.claim("another", ["a", "\ud800"]) is None
    assert later.claim("agent", ["a"]) is None  # it waits with both
    pause = later.claim("agent", ["a", "\ud800"])
    assert pause is not None
    assert pause.deadline == NOW + timedelta(days=7)
    assert later.is_open(pause)
    assert later.claim("agent", ["a", "\ud800"]) is None


def test_the_carry_has_room_beside_the_agents_and_says_what_to_do() -> None:
    ledger = busy_ledger()
    noise = "".join(hashlib.sha256(str(i).encode()).hexdigest() for i in range(8_000))
    question = ledger.ask("agent", [(Interrupt("b", "large", noise), Asked())], now=NOW)
    carry = pack(ledger.state, {}, [AgentCarry("x" * 100)])
    assert repr(carry) == f"ApprovalsCarry({len(carry.data):,} bytes)"
    assert len(carry.data) > 150_000
    with pytest.raises(CarryTooLargeError, match=r"150,000 can go .* approvals.carry\(agent.carry\(\)\)"):
        pack(ledger.state, {}, [])
    with pytest.raises(CarryTooLargeError, match=r"1 records, 3 questions.* 50,000 can go .* Trim the"):
        pack(ledger.state, {}, [AgentCarry("x" * 1_000_000)] * 2)
    ledger.close(question, "expired", "late", NOW)
    ledger.settle(question)
    assert len(pack(ledger.state, {}, []).data) < 2_000


CARRIES: dict[str, Callable[[], Any]] = {
    "no agent carry": lambda: pack(busy_ledger("default").state, {}, []),
    "damaged": lambda: ApprovalsCarry("bm90IGEgY2Fycnk="),
    "newer": lambda: ApprovalsCarry("", version=99),
    "not a carry": lambda: {"data": ""},
}


@workflow.defn
class MixedUpWorkflow:
    """A carry that does not fit ends the workflow."""

    @workflow.run
    async def run(self, case: str) -> None:
        made = CARRIES.get(case)
        approvals = Approvals(carry=made() if made else None)
        agent = TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
        wrong: Any = True
        if case == "condition":
            await approvals.run(agent, "go", stop_waiting_when=wrong)
        if case == "former name":
            former: Any = {"hand_over_when": wrong}
            await approvals.run(agent, "go", **former)
        if case == "beside":
            approvals.carry(wrong)
        if case == "no approvals carry":
            await agent.invoke_async("go")
        if case == "prompt":
            await approvals.run(agent, "go", stop_waiting_when=lambda: True)
            await approvals.run(agent, "go on")
        await approvals.run(agent)


@pytest.mark.server
@pytest.mark.parametrize(
    ("case", "type_", "words"),
    [
        ("no agent carry", "AgentValueError", "'default' waits with the interrupts [], which do not match"),
        ("no approvals carry", "AgentValueError", "Carry both into the next run"),
        ("prompt", "AgentValueError", "Call run without a prompt"),
        ("damaged", "AgentValueError", "the carry is damaged"),
        ("newer", "AgentValueError", "has version 99"),
        ("not a carry", "AgentTypeError", "is not of type ApprovalsCarry"),
        ("condition", "AgentTypeError", "stop_waiting_when=True is not a function"),
        ("former name", "AgentTypeError", "stop_waiting_when=True is not a function"),
        ("beside", "AgentTypeError", "True is not an AgentCarry"),
    ],
)
async def test_what_does_not_fit_together_ends_the_workflow(
    agents: Agents, case: str, type_: str, words: str
) -> None:
    async with agents(workflows=[MixedUpWorkflow], models={"model": deletes}) as env:
        with pytest.raises(WorkflowFailureError) as caught:
            await env.run(MixedUpWorkflow.run, case)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == type_
    assert words in cause.message


@workflow.defn
class UndecidedWorkflow:
    """Stops waiting, and then waits again in the same run."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
        result = await self.approvals.run(agent, "go", stop_waiting_when=lambda: True)
        assert result.stop_reason == "interrupt"
        return str(await self.approvals.run(agent)).strip()


@pytest.mark.server
async def test_who_stops_waiting_may_wait_on_without_a_new_run(setting: Any) -> None:
    async with setting(deletes(), workflows=[UndecidedWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=UndecidedWorkflow)
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        assert await s.end(handle) == "deleted /etc/passwd"


async def woken_until_next_run(handle: Any, before: str, wake: Callable[[], Awaitable[Any]]) -> None:
    """Wait for the next run. Before the server suggests one, it may take some updates to another task.

    It suggests one when it has added the signals to the history, which it does only when the workflow task
    during which they came has ended. A signal without a handler does not wake the workflow.
    """
    waiting = asyncio.ensure_future(next_run(handle, before))
    while not (await asyncio.wait([waiting], timeout=1))[0]:  # `next_run` ends within a minute
        await wake()
    await waiting


@pytest.mark.server
async def test_the_recipe_of_the_docs_hands_over_when_the_server_suggests_it(
    setting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "human-in-the-loop.md").read_text()
    (code,) = [
        code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "continue_as_new(" in code
    ]
    (tmp_path / "long_approval_recipe.py").write_text(code.replace('"claude"', '"model"'))
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe: Any = importlib.import_module("long_approval_recipe")
    async with setting(deletes(), workflows=[recipe.LongTaskWorkflow]) as s:
        handle, notice = await s.pause(recipe.Task("go"), workflow_class=recipe.LongTaskWorkflow)
        before = (await handle.describe()).run_id
        noise = "x" * 100_000  # the server suggests continue-as-new above 4 MB of history
        await asyncio.gather(*(handle.signal("noise", noise) for _ in range(45)))

        async def decide_early() -> None:
            """Wake the workflow with an update, which is answered also in the task that ends the run."""
            early = await s.approver.approve(handle.id, f"later-{uuid.uuid4()}", by=BY, early=True)
            assert early.outcome == "approved"

        await decide_early()
        await woken_until_next_run(handle, before, decide_early)
        assert await s.approver.pending(handle.id) == notice.pending
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        assert await s.end(handle) == "deleted /etc/passwd\n"
        assert len(await chain(handle)) == 2
