"""The part of `ApprovalsClient` for policies: reads them, changes them, trusts calls."""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.client import Client

from ._policy import ApprovalPolicy
from ._policy_types import POLICY_QUERY, PolicyChange, PolicyView
from ._proving import GetCredential
from ._queries import ApprovalQueries
from ._sending import DecisionSender
from ._shown import digest_of
from ._types import ApprovalRecord


class PolicyClient:
    """Reads and changes the policies of workflows.

    Args:
        client: Client of the workflows' namespace.
        queries: Asks workflows.
        sender: Sends changes to them.
    """

    def __init__(self, client: Client, queries: ApprovalQueries, sender: DecisionSender) -> None:
        self._client = client
        self._queries = queries
        self._sender = sender

    async def policy(self, workflow_id: str, *, run_id: str | None = None) -> PolicyView:
        """Return a workflow's policy as it is now, and what people trust. Works for a closed workflow too.

        Raises:
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        return await self._queries.query(workflow_id, run_id, POLICY_QUERY, PolicyView, closed=True)

    async def change_policy(
        self,
        workflow_id: str,
        policy: ApprovalPolicy | str | Mapping[str, Any],
        *,
        by: str = "",
        reason: str | None = None,
        update_id: str | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Give a running workflow another policy, for all of its runs. What people trust stays trusted.

        It judges each call that runs from now on, also one that a person approved before. Questions that wait
        are judged again: what it denies or approves is decided at once.

        Args:
            workflow_id: The workflow, in whichever run it is now.
            policy: The new policy, or its JSON.
            by: Who changes it. As for decisions, Temporal does not check it. Not needed with a credential.
            reason: Why, for the record.
            update_id: Temporal's id of the update. A change that is sent again with the same id counts once.
            credential: What proves who changes it, instead of the client's own.

        Raises:
            AgentValueError: If the JSON is no policy.
            ApprovalRefusedError: If the workflow has no policy (`kind` "NoPolicy").
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        new = policy if isinstance(policy, ApprovalPolicy) else ApprovalPolicy.from_json(policy)
        return await self._change(
            workflow_id, PolicyChange("policy", by, reason, policy=new.data), update_id, credential
        )

    async def trust(
        self,
        workflow_id: str,
        tool: str,
        *,
        by: str = "",
        arguments: Any = None,
        trust_for: timedelta | None = None,
        reason: str | None = None,
        update_id: str | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Let further calls of a tool run without a question, unless the policy's `deny` rules stop them.

        Args:
            workflow_id: The workflow, in whichever run it is now.
            tool: The tool's name.
            by: Who trusts it.
            arguments: The arguments that are trusted, all of them; None trusts all arguments.
            trust_for: For how long, from when the workflow takes it; None is for good.
            reason: Why, for the record.
            update_id: As for `change_policy`.
            credential: As for `change_policy`.

        Raises:
            ApprovalRefusedError: If the workflow has no policy ("NoPolicy"), or keeps 200 entries already
                ("TooMuchTrust").
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        digest = None if arguments is None else digest_of(tool, arguments)
        change = PolicyChange("trust", by, reason, tool=tool, digest=digest, seconds=seconds_of(trust_for))
        return await self._change(workflow_id, change, update_id, credential)

    async def withdraw_trust(
        self,
        workflow_id: str,
        tool: str | None = None,
        *,
        by: str = "",
        arguments: Any = None,
        reason: str | None = None,
        update_id: str | None = None,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Withdraw trust: in one call, in a tool with all its calls, or without `tool` in everything.

        Raises:
            ApprovalRefusedError: If nothing of that is trusted ("NotTrusted"). Otherwise as for `trust`.
        """
        digest = None if arguments is None or tool is None else digest_of(tool, arguments)
        return await self._change(
            workflow_id, PolicyChange("withdraw", by, reason, tool=tool, digest=digest), update_id, credential
        )

    async def _change(
        self,
        workflow_id: str,
        change: PolicyChange,
        update_id: str | None,
        credential: GetCredential | None,
    ) -> ApprovalRecord:
        handle = self._client.get_workflow_handle(workflow_id)
        return await self._sender.send(handle, change, update_id or str(uuid.uuid4()), credential)


def seconds_of(duration: timedelta | None) -> float | None:
    """Return a duration as the workflow takes it."""
    return None if duration is None else duration.total_seconds()
