"""Answers the query for a run's entries of the audit chain. Runs in the workflow."""

from typing import Any

from temporalio import workflow

from strands_temporal.extension import describe_query

from ._audit import AUDIT_QUERY, AuditChain, AuditPage

TAKES_A_NUMBER = "Give the number of entries of this run to skip, or nothing for the first ones"


class AuditQuery:
    """Answers the query.

    Args:
        chain: The run's audit chain.
    """

    def __init__(self, chain: AuditChain) -> None:
        self._chain = chain
        workflow.set_query_handler(AUDIT_QUERY, self._page)
        describe_query(
            AUDIT_QUERY, "The audit chain of this run, in pages. Argument, optional: entries to skip"
        )

    def _page(self, start: Any = 0, *_: Any) -> AuditPage | str:
        if not isinstance(start, int) or start < 0:  # a person sent this query by hand
            return TAKES_A_NUMBER
        return self._chain.page(start)
