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

from ._carry import ApprovalsCarry
from ._client import ApprovalsClient, WaitingWorkflow
from ._errors import (
    ApprovalRefusedError,
    ApprovalsEndedError,
    ApprovalsError,
    ApprovalsNotIndexedError,
    ApprovalsUnreachableError,
)
from ._plugin import HITLPlugin
from ._shown import digest_of
from ._types import ApprovalNotice, ApprovalRecord, Decision, PendingApproval, ShownCall
from ._webhook import Notifier, NotifierFactory, WebhookNotifier
from ._workflow import Approvals

__all__ = [
    "ApprovalNotice",
    "ApprovalRecord",
    "ApprovalRefusedError",
    "Approvals",
    "ApprovalsCarry",
    "ApprovalsClient",
    "ApprovalsEndedError",
    "ApprovalsError",
    "ApprovalsNotIndexedError",
    "ApprovalsUnreachableError",
    "Decision",
    "HITLPlugin",
    "Notifier",
    "NotifierFactory",
    "PendingApproval",
    "ShownCall",
    "WaitingWorkflow",
    "WebhookNotifier",
    "digest_of",
]
