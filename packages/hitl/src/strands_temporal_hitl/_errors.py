"""Errors of this package, raised in the process of an approver.

Exception
└── ApprovalsError
    ├── ApprovalRefusedError        the workflow did not take the decision
    ├── ApprovalsUnreachableError   the workflow cannot be asked
    └── ApprovalsNotIndexedError    the server cannot say which workflows wait
"""


class ApprovalsError(Exception):
    """A question to a workflow about its approvals failed."""


class ApprovalRefusedError(ApprovalsError):
    """The workflow refused a decision. Nothing of it is in its history.

    Attributes:
        kind: Why: "UnknownApproval", "AlreadyDecided", "PastDeadline", "MalformedDecision" or
            "NotWhatWasSeen".
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class ApprovalsUnreachableError(ApprovalsError):
    """The workflow is not there, has no `Approvals`, or no worker answers for it."""


class ApprovalsNotIndexedError(ApprovalsError):
    """The server does not know the search attribute, and no workflow types were given to go by."""
