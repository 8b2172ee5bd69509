"""Judges the calls of a workflow's agents by its policy, right before they run. Runs in the workflow."""

from typing import Any

from strands.interventions.actions import default_evaluate
from strands.middleware import ExecuteToolContext
from strands.tools.structured_output.structured_output_tool import StructuredOutputTool
from temporalio import workflow

from ._in_force import PolicyInForce
from ._ledger import Ledger
from ._patched import PatchedOnce
from ._policy import Judgement
from ._policy_types import POLICY_QUESTION
from ._state import Place
from ._turn import Turn, answer_text
from ._types import ShownCall

JUDGES_CALLS = "strands-temporal-hitl-judges-calls"
"""Prefix of patch ids, each with the number of calls so far. A run whose code had no policy at first replays
without one, up to the first call that it judges live. From there on all calls are judged."""

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
        self._patched = PatchedOnce(JUDGES_CALLS)

    def applies(self) -> bool:
        """Tell whether calls are judged from here on. Adds a marker to history, once in a run."""
        return self._patched.is_on or (self._policy.policy is not None and self._patched.applies())

    def refusal(self, context: ExecuteToolContext, place: Place, call: ShownCall, turn: Turn) -> Any:
        """Return the result of a call that does not run; None if it runs. Asks a person if the policy does.

        What it judges is what runs: the call after all hooks, middleware and edits.

        Args:
            context: The call, for the question.
            place: The call's place.
            call: The call.
            turn: The turn, with the decisions of people.
        """
        if isinstance(context.tool, StructuredOutputTool) or not self.applies():
            return None  # Strands' own tool of structured output only gives the answer its form
        found = self._policy.judge(call, workflow.now(), turn.own)
        if found is None:
            return None
        if found.outcome == "deny":
            self._note(place, call, found, turn)
            return _result(context, f"Denied by policy: {found.reason}")
        if place in turn.refused:
            return _result(context, _NOT_APPROVED)  # a no holds, even if the policy would approve now
        granted = turn.granted_to(place, call, self._approved)
        if found.outcome == "approve":
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

    def _note(self, place: Place, call: ShownCall, found: Judgement, turn: Turn) -> None:
        """Record an answer, once for a call that goes on after a pause."""
        outcome = "approved" if found.outcome == "approve" else "denied"
        text = answer_text(call, outcome, found.layer, found.rule)
        if turn.judged.get(place) != text:
            turn.judged[place] = text
            self._ledger.note(place, call, found, workflow.now())

    def _question(self, call: ShownCall, found: Judgement) -> str:
        rule = f" by the rule {found.rule!r}" if found.rule else ""
        why = f": {found.reason}" if found.reason else ""
        return f"Let {call.tool!r} run? The policy (version {self._policy.version}) asks a person{rule}{why}"


def _result(context: ExecuteToolContext, text: str) -> Any:
    return {"toolUseId": context.tool_use["toolUseId"], "status": "error", "content": [{"text": text}]}
