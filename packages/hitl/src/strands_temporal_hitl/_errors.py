"""Errors of this package, raised in the process of an approver.

Exception
└── ApprovalsError
    ├── ApprovalRefusedError        the workflow did not take the decision
    ├── ApprovalsUnreachableError   the workflow cannot be asked now
    ├── ApprovalsEndedError         the workflow has ended: no decision reaches it any more
    └── ApprovalsNotIndexedError    the server cannot say which workflows wait
"""


class ApprovalsError(Exception):
    """A question to a workflow about its approvals failed."""


class ApprovalRefusedError(ApprovalsError):
    """The workflow refused a decision, which changed nothing in it.

    Attributes:
        kind: Why: "UnknownApproval", "AlreadyDecided", "PastDeadline", "MalformedDecision" or
            "NotWhatWasSeen".
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ApprovalsUnreachableError(ApprovalsError):
    """The server does not know the workflow, it has no `Approvals`, or no worker answers for it now."""


class ApprovalsEndedError(ApprovalsError):
    """The workflow has ended, so that nothing can be decided in it: to try again does not help.

    Attributes:
        status: How it ended: "COMPLETED", "FAILED", "CANCELED", "TERMINATED", "TIMED_OUT", or, of a run that
            was asked for by its id, "CONTINUED_AS_NEW".
    """

    def __init__(self, message: str, status: str) -> None:
        super().__init__(message)
        self.status = status


class ApprovalsNotIndexedError(ApprovalsError):
    """The server does not know the search attribute, and no workflow types were given to go by."""
