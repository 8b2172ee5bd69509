"""Judges the calls of a workflow's agents by its policy, right before they run. Runs in the workflow."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from strands.interventions.actions import default_evaluate
from strands.middleware import ExecuteToolContext
from strands.tools.structured_output.structured_output_tool import StructuredOutputTool
from strands.types.tools import AgentTool
from temporalio import workflow

from strands_temporal.extension import is_declared_safe
from strands_temporal.workflow import AgentCancelledError

from ._consulting import Consulting
from ._in_force import PolicyInForce
from ._ledger import Ledger
from ._patched import PatchedOnce
from ._policy import Judgement
from ._policy_book import approval_of
from ._policy_types import POLICY_QUESTION, WAITS
from ._state import Place, Ruled
from ._turn import Turn, answer_text
from ._types import ShownCall

JUDGES_CALLS = "strands-temporal-hitl-judges-calls"
"""Prefix of patch ids, each with the number of calls so far. A run whose code had no policy at first replays
without one, up to the first call that it judges live. From there on all calls are judged."""

SAFE_COUNTS = "strands-temporal-hitl-safe-counts"
"""Prefix of patch ids, each with the number of calls so far for which the tool's declaration matters. A
run whose code declared no tool replays without it, up to the first such call that it judges live."""

_MOST_RULINGS = 5
"""How often a call that changes while the judge looks at it is judged again. After that a person is asked."""

_STOPPED = "The agent was stopped, and the call did not run"
_NOT_APPROVED = "The call was not approved, and did not run"


class Judging:
    """Judges calls, and records the answers.

    Args:
        policy: The workflow's policy.
        ledger: The workflow's ledger.
        approved: The response that means a yes.
    """

    def __init__(self, policy: PolicyInForce, ledger: Ledger, approved: Any) -> None:
        self._policy = policy
        self._ledger = ledger
        self._approved = approved
        self.consulting = Consulting(policy, ledger)
        self._patched = PatchedOnce(JUDGES_CALLS)
        policy.safe_counts = PatchedOnce(SAFE_COUNTS).applies

    def applies(self) -> bool:
        """Tell whether calls are judged from here on. Adds a marker to history, once in a run."""
        return self._patched.is_on or (self._policy.policy is not None and self._patched.applies())

    def gates(self, calls: Sequence[tuple[ShownCall, AgentTool | None]], turn: Turn) -> bool:
        """Tell whether the calls of a message wait for each other: one of several may wait for a person.

        Args:
            calls: The message's calls without a result, as the model made them, and their tools.
            turn: The turn.
        """
        if len(calls) < 2 or not self.applies():
            return False
        now = workflow.now()
        found = [
            self._policy.judge(call, now, turn.own, declared_safe=is_declared_safe(tool))
            for call, tool in calls
        ]
        return any(each is not None and each.outcome in ("ask", "judge") for each in found)

    async def refusal(
        self,
        context: ExecuteToolContext,
        place: Place,
        shown: Callable[[], ShownCall],
        turn: Turn,
        *,
        gated: bool = False,
    ) -> Any:
        """Return the result of a call that does not run; None if it runs. Asks a person if the policy does.

        What it judges is what runs: the call after all hooks, middleware and edits.

        Args:
            context: The call, for the question.
            place: The call's place.
            shown: Returns the call as it is now.
            turn: The turn, with the decisions of people.
            gated: Whether the call waits for the other calls of its message. It then asks a question, which
                the policy answers at once, and the agent goes on when all questions of the pause are decided.
        """
        if isinstance(context.tool, StructuredOutputTool) or not self.applies():
            return None  # Strands' own tool of structured output only gives the answer its form
        try:
            call, found = await self._found(context, place, shown, turn)
        except AgentCancelledError:
            return _result(context, _STOPPED)
        if found is None:
            return None
        if found.outcome == "deny":
            self._note(place, call, found, turn)
            return _result(context, f"Denied by policy: {found.reason}")
        if place in turn.refused:
            return _result(context, _NOT_APPROVED)  # a no holds, even if the policy would approve now
        granted = turn.granted_to(place, call, self._approved)
        if found.outcome == "approve":
            if granted is None and gated:
                context.interrupt(POLICY_QUESTION, reason=WAITS)
            if granted is None:
                self._note(place, call, found, turn)
            return None
        if granted is not None and not granted.by_policy:
            return None
        times = granted.by_policy if granted is not None else 0
        name = f"{POLICY_QUESTION} {times + 1}" if times else POLICY_QUESTION
        answer = context.interrupt(name, reason=self._question(call, found)).response
        is_yes = answer == self._approved or default_evaluate(answer)
        return None if is_yes else _result(context, _NOT_APPROVED)

    async def _found(
        self, context: ExecuteToolContext, place: Place, shown: Callable[[], ShownCall], turn: Turn
    ) -> tuple[ShownCall, Judgement | None]:
        """Return the call, and the policy's answer for it. Asks the judge if the policy does.

        While the judge is asked, the policy may change, and the call too. So both are looked at again.

        Raises:
            AgentCancelledError: If the agent was stopped while the judge was asked.
        """
        is_safe = is_declared_safe(context.tool)
        for _ in range(_MOST_RULINGS):
            call = shown()
            found = self._policy.judge(call, workflow.now(), turn.own, declared_safe=is_safe)
            if found is None or found.outcome != "judge":
                return call, found
            granted = turn.granted_to(place, call, self._approved)
            if place in turn.refused or (granted is not None and not granted.by_policy):
                return call, replace(found, outcome="ask")  # a person has decided it
            if ruled := self.consulting.known(place, call, turn):
                return call, approval_of(ruled) if ruled.approve else _escalated(ruled)
            await self.consulting.ask(place, call, turn, context.cancel_signal)
        return shown(), Judgement("ask", "judge", reason="It changed each time that the judge was asked")

    def _note(self, place: Place, call: ShownCall, found: Judgement, turn: Turn) -> None:
        """Record an answer, once for a call that goes on after a pause."""
        outcome = "approved" if found.outcome == "approve" else "denied"
        text = answer_text(call, outcome, found.layer, found.rule)
        if turn.judged.get(place) != text:
            turn.judged[place] = text
            self._ledger.note(place, call, found, workflow.now())

    def _question(self, call: ShownCall, found: Judgement) -> str:
        rule = f" by the rule {found.rule!r}" if found.rule else ""
        if found.layer == "judge" and found.rule:
            rule = f", because the judge {found.rule!r} does not approve"
        why = f": {found.reason}" if found.reason else ""
        return f"Let {call.tool!r} run? The policy (version {self._policy.version}) asks a person{rule}{why}"


def _escalated(ruled: Ruled) -> Judgement:
    """Return the judgement of a call that the judge leaves to a person."""
    return Judgement("ask", "judge", ruled.judge, ruled.reason)


def _result(context: ExecuteToolContext, text: str) -> Any:
    return {"toolUseId": context.tool_use["toolUseId"], "status": "error", "content": [{"text": text}]}
