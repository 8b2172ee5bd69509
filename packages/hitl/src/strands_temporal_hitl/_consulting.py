"""Asks the policy's judge about calls. Runs in the workflow; the judge runs in an activity.

Whatever goes wrong is a ruling that leaves the call to a person.
"""

import asyncio
import json
import threading
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from strands_temporal import ActivityOptions
from strands_temporal.extension import HEARTBEATING_TOOL_DEFAULTS, execute_activity
from strands_temporal.workflow import AgentCancelledError

from ._in_force import PolicyInForce
from ._judge import JUDGE_ACTIVITY, JudgeRequest, capped, checked_ruling
from ._ledger import Ledger
from ._policy_judge import JudgeRule
from ._shown import digest_of
from ._state import Place, Question, Ruled
from ._turn import Turn
from ._types import ShownCall

LARGEST_CALL = 100_000
"""Characters of the JSON of a call that a judge is asked about. It has to see all of it."""

_TRIES = 3  # within the policy's timeout


class Consulting:
    """Asks the judge, and keeps its rulings: once for each call.

    Args:
        policy: The workflow's policy.
        ledger: The workflow's ledger.
    """

    def __init__(self, policy: PolicyInForce, ledger: Ledger) -> None:
        self._policy = policy
        self._ledger = ledger

    def known(self, place: Place, call: ShownCall, turn: Turn) -> Ruled | None:
        """Return the ruling on a call, if the judge in force was asked about exactly this call."""
        ruled, rule = turn.ruled.get(place), self._policy.judge_rule
        if ruled is None or rule is None or ruled.rule != rule.digest:
            return None
        return ruled if ruled.call == digest_of(call.tool, call.arguments) else None

    async def ask(
        self, place: Place, call: ShownCall, turn: Turn, cancel_signal: threading.Event | None
    ) -> None:
        """Ask the judge about a call, and keep its ruling in the turn.

        Raises:
            AgentCancelledError: If the agent was stopped meanwhile.
        """
        rule = self._policy.judge_rule
        if rule is None:
            return
        approve, confidence, reason = await self._ruling(rule, call, cancel_signal)
        digest = digest_of(call.tool, call.arguments)
        ruled = Ruled(list(place), digest, rule.digest, rule.name, approve, confidence, reason)
        turn.ruled[place] = ruled
        self._ledger.note_ruling(ruled, call, workflow.now())

    async def answer_questions(
        self, questions: list[Question], turn: Turn, cancel_signal: threading.Event | None
    ) -> None:
        """Ask the judge about those questions that only ask whether a call may run, and that it may approve.

        Meanwhile people may decide them.
        """

        async def answer(question: Question, place: Place, call: ShownCall) -> None:
            if self.known(place, call, turn) is None:
                await self.ask(place, call, turn, cancel_signal)
            ruled = self.known(place, call, turn)
            if ruled is not None and ruled.approve and self._policy.judges(question, workflow.now()):
                self._ledger.approved_by_judge(question, ruled, workflow.now())

        asked: list[Coroutine[Any, Any, None]] = []
        for question in questions:
            call = self._policy.judges(question, workflow.now())
            if call is not None and question.places:
                asked.append(answer(question, tuple(question.places[0]), call))
        tasks = [asyncio.create_task(one) for one in asked]
        if not tasks:
            return
        try:
            await workflow.wait(tasks)
        except (asyncio.CancelledError, Exception):
            for task in tasks:
                task.cancel()
            raise
        for task in tasks:
            # At a stop the wait for people withdraws the questions.
            if not isinstance(task.exception(), AgentCancelledError):
                task.result()

    async def _ruling(
        self, rule: JudgeRule, call: ShownCall, cancel_signal: threading.Event | None
    ) -> tuple[bool, float | None, str]:
        if not rule.criteria:
            return False, None, "The policy gives no criteria"
        size = len(json.dumps(call.arguments, default=str))
        if size > LARGEST_CALL:
            return False, None, f"The arguments have {size:,} characters, and may have {LARGEST_CALL:,}"
        request = JudgeRequest(rule.name, call.tool, call.arguments, call.agent, rule.criteria)
        try:
            answer = await execute_activity(
                JUDGE_ACTIVITY, [request], _options(rule), cancel_signal=cancel_signal
            )
            ruling = checked_ruling(answer)
        except AgentCancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # of whatever kind: it is no yes
            return False, None, capped(f"It did not answer: {error}")
        if ruling.approve and ruling.confidence < rule.confidence:
            text = f"Its confidence is {ruling.confidence:g}, below {rule.confidence:g}. {ruling.reason}"
            return False, ruling.confidence, capped(text)
        return ruling.approve, ruling.confidence, ruling.reason


def _options(rule: JudgeRule) -> ActivityOptions:
    span = timedelta(seconds=rule.timeout_seconds)
    return {
        "start_to_close_timeout": span,
        "schedule_to_close_timeout": span,
        "heartbeat_timeout": HEARTBEATING_TOOL_DEFAULTS.get("heartbeat_timeout"),
        "retry_policy": RetryPolicy(maximum_attempts=_TRIES),
        "summary": f"judge {rule.name}",
    }
