"""Human approval for durable Strands agents on Temporal.

In a workflow:

    self.approvals = Approvals(deadline=timedelta(days=2))
    result = await self.approvals.run(agent, prompt)

On the worker, beside `StrandsPlugin`:

    HITLPlugin(notifiers={"ops": lambda: WebhookNotifier("https://...")})

Anywhere:

    approvals = ApprovalsClient(client)
    for workflow in await approvals.list(): ...
"""

from strands_temporal.extension import declare_safe

from ._audit import AuditEntry
from ._audit_runs import AuditGap, AuditTrail
from ._calendars import Calendar, business_hours
from ._carry import ApprovalsCarry
from ._client import ApprovalsClient, WaitingWorkflow
from ._deciders import Deciders
from ._decision import Decision
from ._errors import (
    ApprovalExpiredError,
    ApprovalRefusedError,
    ApprovalsEndedError,
    ApprovalsError,
    ApprovalsNotIndexedError,
    ApprovalsUnreachableError,
    NotVerifiedError,
)
from ._judge import Judge, JudgeRequest, ModelJudge, Ruling
from ._links import DecisionLinks
from ._notices import ApprovalNotice, Told
from ._people import Credential, Person, Vote
from ._plugin import HITLPlugin
from ._policy import ApprovalPolicy, Judgement
from ._policy_types import PolicyView
from ._shown import digest_of
from ._trusted import TrustedCalls
from ._types import ApprovalRecord, PendingApproval, ShownCall
from ._webhook import Notifier, NotifierFactory, WebhookNotifier
from ._workflow import Approvals

__all__ = [
    "ApprovalExpiredError",
    "ApprovalNotice",
    "ApprovalPolicy",
    "ApprovalRecord",
    "ApprovalRefusedError",
    "Approvals",
    "ApprovalsCarry",
    "ApprovalsClient",
    "ApprovalsEndedError",
    "ApprovalsError",
    "ApprovalsNotIndexedError",
    "ApprovalsUnreachableError",
    "AuditEntry",
    "AuditGap",
    "AuditTrail",
    "Calendar",
    "Credential",
    "Deciders",
    "Decision",
    "DecisionLinks",
    "HITLPlugin",
    "Judge",
    "JudgeRequest",
    "Judgement",
    "ModelJudge",
    "NotVerifiedError",
    "Notifier",
    "NotifierFactory",
    "PendingApproval",
    "Person",
    "PolicyView",
    "Ruling",
    "ShownCall",
    "Told",
    "TrustedCalls",
    "Vote",
    "WaitingWorkflow",
    "WebhookNotifier",
    "business_hours",
    "declare_safe",
    "digest_of",
]
