"""Errors of this package.

Raised in a workflow:

ApplicationError (temporalio)
└── ApprovalExpiredError            nobody decided in time, and at_deadline="fail"

Raised in the process of an approver, or by a verifier on a worker:

Exception
├── ApprovalsError                  in the process of an approver
│   ├── ApprovalRefusedError        the workflow did not take the decision
│   ├── ApprovalsUnreachableError   the workflow cannot be asked now
│   ├── ApprovalsEndedError         the workflow has ended and takes no more decisions
│   └── ApprovalsNotIndexedError    the server cannot say which workflows wait
└── NotVerifiedError                by a verifier: the credential proves nobody
    └── UnknownKeyError             the key of its signature is unknown: the keys are read again
"""

from dataclasses import asdict
from typing import TYPE_CHECKING

from temporalio.exceptions import ApplicationError

if TYPE_CHECKING:
    from ._types import ApprovalRecord


class ApprovalExpiredError(ApplicationError):
    """Nobody decided a question in time, and the run was to fail then. Ends the workflow, if not caught.

    A client sees an `ApplicationError` with the type "ApprovalExpiredError", not retryable, whose details are
    the question's record.

    Attributes:
        record: The question's record.
    """

    def __init__(self, record: "ApprovalRecord") -> None:
        about = f"the call of {record.tool!r}" if record.tool else f"the question {record.id!r}"
        super().__init__(
            f"Nobody decided on {about} in time, and at_deadline is 'fail'",
            asdict(record),
            type="ApprovalExpiredError",
            non_retryable=True,
        )
        self.record = record


class ApprovalsError(Exception):
    """A request to a workflow about its approvals failed."""


class ApprovalRefusedError(ApprovalsError):
    """The workflow refused a decision. Nothing changed in the workflow.

    Attributes:
        kind: Why: "UnknownApproval", "AlreadyDecided", "PastDeadline", "MalformedDecision", "NotWhatWasSeen",
            "NotAllowed", "InvalidArguments" or "TooMuchEarly". With a policy also "DeniedByPolicy",
            "NoPolicy", "MalformedChange", "TooMuchTrust" or "NotTrusted". With verified people also
            "NotVerified", "NotADecider", "OwnRequest" or "AlreadyVoted".
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ApprovalsUnreachableError(ApprovalsError):
    """A workflow cannot be asked now.

    The server does not know it, it is paused, it has no `Approvals`, no worker answers for it, or the
    client's data converter cannot read its answer.
    """


class ApprovalsEndedError(ApprovalsError):
    """The workflow has ended and takes no more decisions. Trying again does not help.

    Attributes:
        status: How it ended: "COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT" or, if the call
            named a run, "CONTINUED_AS_NEW".
    """

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class ApprovalsNotIndexedError(ApprovalsError):
    """The server does not know the search attribute, and the caller named no workflow types."""


class NotVerifiedError(Exception):
    """A verifier does not accept a credential. The message goes to the worker's log only."""


class UnknownKeyError(NotVerifiedError):
    """The key that signed a credential is not among the known ones. The worker reads the keys again."""
