"""Proves to workflows who decides. Runs in the process of an approver."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, TypeAlias

from ._decision import Decision
from ._errors import ApprovalRefusedError
from ._people import Credential
from ._policy_types import PolicyChange
from ._protocol import TICKET_QUERY
from ._queries import ApprovalQueries
from ._types import Ticket

GetCredential: TypeAlias = Credential | Callable[[], Credential | Awaitable[Credential]]
"""A credential, or a function that returns one, which is called for each decision."""


class ProvedName(str):
    """The name of a person, and what proves it: for `authorize=` of the web apps.

        def authorize(request, agent, thread):
            token = request.headers["authorization"].removeprefix("Bearer ")
            return ProvedName("ana", Credential("bearer", token))

    Attributes:
        credential: What the worker verifies when the person decides.
    """

    __slots__ = ("credential",)

    def __new__(cls, name: str, credential: Credential) -> "ProvedName":
        """Return the name with its credential.

        Args:
            name: The name, for what the worker does not verify.
            credential: What the worker verifies when the person decides.
        """
        made = super().__new__(cls, name)
        made.credential = credential
        return made

    credential: Credential


_AGAIN = 0.25  # seconds between two queries while a worker reads its keys
_AGAIN_AT_MOST = timedelta(seconds=7)


class Proving:
    """Gets the tickets for decisions.

    Args:
        queries: Asks workflows.
        credential: What proves who decides, for decisions without one of their own.
        channel: Where people decide, for the records.
        timeout: How long a workflow may take to answer.
    """

    def __init__(
        self, queries: ApprovalQueries, credential: GetCredential | None, channel: str, timeout: timedelta
    ) -> None:
        self._queries = queries
        self._credential = credential
        self._channel = channel
        self._timeout = timeout

    @property
    def proves(self) -> bool:
        """Whether decisions have a credential, even if none is given with them."""
        return self._credential is not None

    async def proved(
        self,
        workflow_id: str,
        run_id: str | None,
        request: Decision | PolicyChange,
        credential: GetCredential | None,
    ) -> Decision | PolicyChange:
        """Return a decision, or a change of the policy, with the proof of who makes it.

        Raises:
            ApprovalRefusedError: If the worker does not accept the credential.
            ApprovalsUnreachableError: If the workflow does not answer.
            QueryRejectedError: If the workflow has ended.
            ValueError: If there is no credential, and it is not stated who decides.
        """
        credential = self._credential if credential is None else credential
        if request.proof is not None:
            return request
        if credential is None:
            if not request.by:
                raise ValueError("Who decides is not given: by=, or credential= for a worker that verifies")
            return request
        if callable(credential):
            got = credential()
            credential = await got if inspect.isawaitable(got) else got
        kind = "decision" if isinstance(request, Decision) else "change"
        wire = {"credential": asdict(credential), kind: request.to_wire(), "channel": self._channel}
        ticket = await self._ticket(workflow_id, run_id, wire)
        if not ticket.ticket:
            raise ApprovalRefusedError(ticket.refused, ticket.kind)
        return replace(request, proof=ticket.ticket, by="")

    async def _ticket(self, workflow_id: str, run_id: str | None, wire: Mapping[str, Any]) -> Ticket:
        until = time.monotonic() + min(self._timeout, _AGAIN_AT_MOST).total_seconds()
        while True:
            ticket = await self._queries.query(workflow_id, run_id, TICKET_QUERY, Ticket, args=[wire])
            if not ticket.again or time.monotonic() > until:
                return ticket
            await asyncio.sleep(_AGAIN)
