"""The kinds of decision that a question takes, and the checks of a decision against its question."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal.extension import arguments_misfit

from ._decision import VERDICTS, Decision, Verdict
from ._protocol import INVALID_ARGUMENTS, NOT_ALLOWED, NOT_WHAT_WAS_SEEN
from ._state import Question

LARGEST_EDIT = 250_000
"""Bytes of the JSON of edited arguments. History has them three times: in the decision, in its record, and in
the call."""

OTHER_TOOLS = "*"
"""Key of `Approvals(allowed_decisions={...})` for all tools that it does not name."""

_LONGEST_REFUSAL = 10_000
"""Most characters of a refusal, which may quote the decision. A larger one fails the workflow task."""


class AllowedDecisions:
    """The kinds of decision that a workflow's user allows.

    Args:
        given: The kinds, for all tools or by the names of tools; None allows all.

    Raises:
        AgentTypeError: If it has a wrong type.
        AgentValueError: If a kind is unknown, or there is none.
    """

    def __init__(self, given: Collection[Verdict] | Mapping[str, Collection[Verdict]] | None) -> None:
        kinds: Any = VERDICTS if given is None else given
        by_tool = cast("Mapping[Any, Any]", kinds if isinstance(kinds, Mapping) else {OTHER_TOOLS: kinds})
        self._by_tool = {tool: _kinds(tool, kinds) for tool, kinds in by_tool.items()}

    def of(self, tools: Sequence[str], *, is_editable: bool) -> list[str]:
        """Return the kinds of decision for a question: all that are allowed for each of its tools.

        If none is left, people can reject: a question that nobody can decide would wait forever.

        Args:
            tools: The tools whose calls it is about; none if it is about no call.
            is_editable: Whether its call can be edited.
        """
        of_others = self._by_tool.get(OTHER_TOOLS, VERDICTS)
        kinds = [self._by_tool.get(tool, of_others) for tool in tools] or [of_others]
        allowed = [v for v in VERDICTS if all(v in each for each in kinds) and (v != "edit" or is_editable)]
        return [*allowed] or ["reject"]


def check_fits(decision: Decision, question: Question) -> None:
    """Check that a decision may be taken on a question.

    Raises:
        ApplicationError: If it is for another call, of a kind that is not allowed, or an edit that does not
            fit the tool. The type says which.
    """
    pending = question.pending
    if not digest_matches(decision, pending.digest):
        raise refusal(
            NOT_WHAT_WAS_SEEN,
            f"The decision on {decision.id!r} is for different arguments from those shown now (digest "
            f"{decision.digest}, not {pending.digest}). Look at the question again, then decide",
        )
    if decision.verdict not in pending.allowed_decisions:
        why = " An edit is for a call of one tool that has not begun." if decision.verdict == "edit" else ""
        raise refusal(
            NOT_ALLOWED,
            f"The decision {decision.verdict!r} is not allowed for {decision.id!r}.{why} Allowed: "
            f"{', '.join(pending.allowed_decisions)}",
        )
    if decision.arguments is not None and question.schema is not None:
        size = len(json.dumps(decision.arguments, ensure_ascii=False).encode())
        why = f"they have {size:,} bytes, and may have {LARGEST_EDIT:,}" if size > LARGEST_EDIT else None
        before = pending.arguments if pending.proposed_by is None else pending.original_arguments
        why = why or arguments_misfit(question.schema, decision.arguments, before)
        if why:
            text = f"The arguments for {pending.tool!r} in the decision on {decision.id!r} do not fit: {why}"
            raise refusal(INVALID_ARGUMENTS, text)


def digest_matches(decision: Decision, digest: str | None) -> bool:
    """Tell whether a decision is for the call with this digest."""
    return decision.digest is None or decision.digest == digest


def refusal(kind: str, message: str) -> ApplicationError:
    """Return the error that refuses a decision."""
    text = message if len(message) <= _LONGEST_REFUSAL else f"{message[:_LONGEST_REFUSAL]}..."
    return ApplicationError(text, type=kind, non_retryable=True)


def _kinds(tool: Any, kinds: Any) -> tuple[Verdict, ...]:
    if not isinstance(tool, str):
        raise AgentTypeError(f"Approvals: allowed_decisions= has the key {tool!r}, not the name of a tool")
    if isinstance(kinds, str) or not isinstance(kinds, Collection):
        raise AgentTypeError(
            f"Approvals: allowed_decisions={kinds!r} is no collection. Write allowed_decisions=['approve', "
            "'reject'], or {'name of a tool': ['approve', 'reject']}"
        )
    given = cast("Collection[Any]", kinds)
    if unknown := [each for each in given if each not in VERDICTS]:
        raise AgentValueError(
            f"Approvals: allowed_decisions= has the unknown kind {unknown[0]!r}. Known: {list(VERDICTS)}"
        )
    if not given:
        raise AgentValueError(
            f"Approvals: allowed_decisions= allows nothing for {tool!r}, so a question would wait until its "
            f"deadline. Give some of {list(VERDICTS)}"
        )
    return tuple(verdict for verdict in VERDICTS if verdict in given)
