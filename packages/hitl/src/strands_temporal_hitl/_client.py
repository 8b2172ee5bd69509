"""`ApprovalsClient`: lists questions and sends decisions, from any process."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import Client

from ._asking import QueryRejectedError, ask_again
from ._audit_runs import AuditReader, AuditTrail
from ._decision import Decision, Trust
from ._errors import ApprovalsNotIndexedError, ApprovalsUnreachableError
from ._policy_client import PolicyClient, seconds_of
from ._protocol import PENDING, PENDING_QUERY, RECORDS_QUERY
from ._proving import GetCredential, Proving
from ._queries import ApprovalQueries
from ._sending import DecisionSender
from ._shown import is_full
from ._types import ApprovalRecord, PendingApproval
from ._visibility import WAITING, is_known
from ._workflows import ListedWorkflow, open_workflows, quoted

_AT_ONCE = 50
"""How many workflows are asked at the same time. A workflow without a worker takes the whole timeout."""


@dataclass(frozen=True)
class WaitingWorkflow:
    """A workflow that waits for a person.

    Attributes:
        workflow_id: Its id, which a decision names.
        run_id: Its run when it was listed. It may have continued in another run since.
        workflow_type: Its type.
        pending: The questions that wait.
        problem: Why the workflow could not be asked: no worker answers, it is paused, or the client has
            another data converter. In this case `pending` is empty.
    """

    workflow_id: str
    run_id: str
    workflow_type: str
    pending: list[PendingApproval] = field(default_factory=list[PendingApproval])
    problem: str | None = None


class ApprovalsClient(PolicyClient):
    """Lists the questions that wait for people, decides them, and changes policies.

    The Temporal client needs no plugin.

    Without a credential, anyone who may call Temporal may decide, under any name: authenticate people first.
    With one, the workflow's worker finds out who decides (docs/who-decides.md).

    Args:
        client: Client of the workflows' namespace, with their data converter and its codec.
        timeout: How long a workflow may take to answer. It cannot answer while it has no worker.
        credential: What proves who decides: a `Credential`, or a function that returns one, async or not,
            which is called for each decision. It goes to the worker in a query, and never into history.
        channel: Where people decide with this client, for the records and for rules about channels: for
            example "inbox", "slack" or "mcp".
    """

    def __init__(
        self,
        client: Client,
        *,
        timeout: timedelta = timedelta(seconds=10),
        credential: GetCredential | None = None,
        channel: str = "",
    ) -> None:
        self._timeout = timeout
        queries = ApprovalQueries(client, timeout)
        self._proving = Proving(queries, credential, channel, timeout)
        super().__init__(client, queries, DecisionSender(client, queries, timeout, self._proving))

    @property
    def client(self) -> Client:
        """The Temporal client."""
        return self._client

    @property
    def proves(self) -> bool:
        """Whether this client has a credential, so that decisions need no `by=`."""
        return self._proving.proves

    async def list(self, *, workflow_types: Sequence[str] = ()) -> list[WaitingWorkflow]:
        """Return the workflows that wait for a person. Those that cannot be asked have a `problem`.

        Without `workflow_types`, it finds workflows by the search attribute, which needs `HITLPlugin` on
        their workers. With them, it asks each open workflow of these types: slower, but on any server.

        Raises:
            ApprovalsNotIndexedError: If no types are given and the server does not know the attribute.
            RPCError: If the server does not answer within the timeout, or refuses.
        """
        if not workflow_types and not await ask_again(lambda: is_known(self._client), self._timeout):
            raise ApprovalsNotIndexedError(
                f"The server does not know the search attribute {PENDING.name!r} as a Keyword, in the "
                f"namespace {self._client.namespace!r}. Name the workflow types to ask, or have it "
                "registered: by a worker with HITLPlugin(), or with "
                f"`temporal operator search-attribute create --name {PENDING.name} --type Keyword`"
            )
        types = " OR ".join(f"WorkflowType = {quoted(name)}" for name in workflow_types)
        found: dict[str, ListedWorkflow] = {}
        async for listed in open_workflows(self._client, types or WAITING):
            # A workflow that just continued as new may still be listed with its previous run.
            known = found.setdefault(listed.id, listed)
            if listed.started_at > known.started_at:
                found[listed.id] = listed
        at_once = asyncio.Semaphore(_AT_ONCE)
        asked = await asyncio.gather(*(self._ask(listed, at_once) for listed in found.values()))
        return [workflow for workflow in asked if workflow.pending or workflow.problem]

    async def pending(self, workflow_id: str, *, run_id: str | None = None) -> "list[PendingApproval]":
        """Return a workflow's open questions, oldest first; none if it has ended.

        Raises:
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        try:
            return await self._queries.query(workflow_id, run_id, PENDING_QUERY, list[PendingApproval])
        except QueryRejectedError:  # it has ended
            return []

    async def records(self, workflow_id: str, *, run_id: str | None = None) -> "list[ApprovalRecord]":
        """Return a workflow's decisions so far. Works for a closed workflow too, while its history is kept.

        A reason or response above some 500,000 characters is cut to its beginning, as text.

        Raises:
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        records: list[ApprovalRecord] = []
        while True:
            args = [len(records)] if records else []
            page = await self._queries.query(
                workflow_id, run_id, RECORDS_QUERY, list[ApprovalRecord], args=args, closed=True
            )
            records += page
            if not is_full(page):
                return records

    async def audit(self, workflow_id: str, *, run_id: str | None = None) -> AuditTrail:
        """Return a workflow's audit chain: what was asked, who was told, and what was decided, in all runs.

        Works for a closed workflow too, while its histories are kept. Runs that cannot be read are in `gaps`.

        Args:
            workflow_id: The workflow.
            run_id: Return the entries of this run alone.

        Raises:
            ApprovalsUnreachableError: If the run in `run_id` does not answer.
        """
        reader = AuditReader(self._client, self._queries, self._timeout)
        return await (reader.run(workflow_id, run_id) if run_id else reader.workflow(workflow_id))

    async def export_audit(
        self, query: str = "", known: Callable[[tuple[str, str]], Collection[str]] = lambda of: ()
    ) -> AsyncIterator[tuple[str, str, AuditTrail]]:
        """Yield the audit chains of all workflows that a visibility query finds, open and closed.

        Args:
            query: The query; "" is for all workflows of the namespace.
            known: Takes a namespace and the id of a workflow. Returns hashes of entries of its chain that are
                known, with all before them: earlier runs are not read again.

        Yields:
            The namespace, the workflow's id, and its chain.

        Raises:
            RPCError: If the server does not list workflows.
        """
        reader, namespace = AuditReader(self._client, self._queries, self._timeout), self._client.namespace
        async for workflow_id, trail in reader.all(query, lambda id_: known((namespace, id_))):
            yield namespace, workflow_id, trail

    async def approve(
        self,
        workflow_id: str,
        approval: PendingApproval | str,
        *,
        by: str = "",
        reason: str | None = None,
        early: bool = False,
        trust: Trust | None = None,
        trust_for: timedelta | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Approve a question.

        Args:
            workflow_id: The workflow.
            approval: The question that the person saw, so that the decision counts only for the call that was
                shown. Or only the question's id.
            by: Who decides. Not needed with a credential.
            reason: Why, for the record.
            early: Whether to keep the decision if the workflow has not asked yet.
            trust: If the workflow has a policy: whether further calls of the "tool", or further calls with
                the same "arguments", run without a question. Questions that wait for the same are approved.
            trust_for: For how long, from when the workflow takes it; None is for all of its runs.
            credential: What proves who decides, instead of the client's own.

        Returns:
            The record. Its outcome is "voted" if more people have to decide.

        Raises:
            ApprovalRefusedError: If the workflow refuses the decision.
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        decision = Decision(
            _id(approval),
            "approve",
            by,
            reason,
            digest=_digest(approval),
            early=early,
            trust=trust,
            trust_seconds=seconds_of(trust_for),
        )
        return await self.decide(workflow_id, decision, credential=credential)

    async def reject(
        self,
        workflow_id: str,
        approval: PendingApproval | str,
        *,
        by: str = "",
        reason: str | None = None,
        early: bool = False,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Reject a question. The reason reaches the model. Otherwise like `approve`."""
        return await self.decide(
            workflow_id,
            Decision(_id(approval), "reject", by, reason, digest=_digest(approval), early=early),
            credential=credential,
        )

    async def edit(
        self,
        workflow_id: str,
        approval: PendingApproval,
        arguments: Mapping[str, Any],
        *,
        by: str = "",
        reason: str | None = None,
        early: bool = False,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Change the arguments of the call that waits, and let it run with those. Otherwise like `approve`.

        The record has the arguments that were asked about and the edited ones. The model reads in the call's
        result which arguments ran, and the reason. Arguments equal to those that were asked about approve.

        Args:
            workflow_id: The workflow.
            approval: The question that the person saw, with the digest of the call.
            arguments: All arguments of the call, by name, of at most 250,000 bytes of JSON. They must fit
                `approval.input_schema`. A name that it does not list is refused, unless the call had it.
            by: Who decides.
            reason: Why. The model reads it.
            early: Whether to keep the decision if the workflow has not asked yet. The arguments are checked
                when it asks.
            credential: As for `approve`.

        Raises:
            ApprovalRefusedError: If the workflow refuses the decision. `kind` is "InvalidArguments" if the
                arguments do not fit the tool, "NotAllowed" if this question takes no edit.
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        decision = Decision(
            approval.id, "edit", by, reason, digest=approval.digest, early=early, arguments=dict(arguments)
        )
        return await self.decide(workflow_id, decision, credential=credential)

    async def respond(
        self,
        workflow_id: str,
        approval: PendingApproval | str,
        response: Any,
        *,
        by: str = "",
        reason: str | None = None,
        early: bool = False,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Answer a question with a value: the interrupt's response in Strands. Otherwise like `approve`.

        Its meaning depends on the code that asked. For Strands' `HumanInTheLoop`, "y" and "yes" approve.
        """
        return await self.decide(
            workflow_id,
            Decision(_id(approval), "respond", by, reason, response, _digest(approval), early),
            credential=credential,
        )

    async def delegate(
        self,
        workflow_id: str,
        approval: PendingApproval | str,
        *,
        person: str | None = None,
        group: str | None = None,
        by: str = "",
        reason: str | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Hand the decision on a question to another person, or to a group, one of which may decide it.

        Who delegates may not decide it any more. The question still waits.

        Args:
            workflow_id: The workflow.
            approval: The question, or its id.
            person: The person who decides instead.
            group: Or the group.
            by: As for `approve`.
            reason: Why, for the record.
            credential: As for `approve`.

        Raises:
            ApprovalRefusedError: If the workflow refuses it. `kind` is "NotAllowed" if nobody verifies who
                decides this question.
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
            ValueError: If not exactly one of `person` and `group` is given.
        """
        to = {name: each for name, each in (("person", person), ("group", group)) if each is not None}
        if len(to) != 1:
            raise ValueError("ApprovalsClient.delegate: give person= or group=, one of them")
        decision = Decision(_id(approval), "delegate", by, reason, digest=_digest(approval), to=to)
        return await self.decide(workflow_id, decision, credential=credential)

    async def decide(
        self,
        workflow_id: str,
        decision: Decision,
        *,
        run_id: str | None = None,
        update_id: str | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Send a decision and return its record.

        If the run has no room for another update, the decision goes by signal.

        Args:
            workflow_id: The workflow, in whichever run it is now.
            decision: The decision.
            run_id: Decide only in this run.
            update_id: Temporal's id of the update. A decision that is sent again with the same id, for
                example after a lost connection, counts once and gets the same answer, even in a later run of
                the workflow.
            credential: What proves who decides, instead of the client's own.

        Raises:
            ApprovalRefusedError: If the workflow refuses the decision.
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        return await self._sender.send(handle, decision, update_id or str(uuid.uuid4()), credential)

    async def _ask(self, listed: ListedWorkflow, at_once: asyncio.Semaphore) -> WaitingWorkflow:
        problem, pending = None, list[PendingApproval]()
        async with at_once:
            try:
                # Ask its current run, which may not be the one that was listed.
                pending = await self.pending(listed.id)
            except ApprovalsUnreachableError as error:
                problem = str(error)
        return WaitingWorkflow(listed.id, listed.run_id, listed.type, pending, problem)


def _id(approval: PendingApproval | str) -> str:
    return approval if isinstance(approval, str) else approval.id


def _digest(approval: PendingApproval | str) -> str | None:
    return None if isinstance(approval, str) else approval.digest
