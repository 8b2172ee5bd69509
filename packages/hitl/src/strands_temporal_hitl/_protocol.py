"""Names that a workflow, its approvers and its activities share: updates, queries, activities, refusals."""

from temporalio.common import SearchAttributeKey

DECIDE_UPDATE = "decide_approval"
"""Update that takes a `Decision` (as a JSON object) and returns its `ApprovalRecord`."""

DECIDE_SIGNAL = "decide_approval_by_signal"
"""Signal for a run that has no room for another update. It takes `{"decision": ..., "request": id}`.

The server allows ten updates in progress in one run (chat turns that wait for people, readers that poll by
update), and two thousand in total.
"""

ANSWER_QUERY = "approval_answer"
"""Query that takes the request id of a `DECIDE_SIGNAL`. Returns its `Answer`, empty while there is none."""

PENDING_QUERY = "pending_approvals"
"""Query that returns the `PendingApproval`s of a workflow, oldest first."""

RECORDS_QUERY = "approval_records"
"""Query that returns a page of a workflow's `ApprovalRecord`s, in the order of the decisions. It takes the
number of records to skip."""

TICKET_QUERY = "approval_ticket"
"""Query that takes a `Credential` and a decision or a change of the policy: `{"credential", "decision" |
"change", "channel"}`. Returns the `Ticket` that proves who decides. History has no queries."""

SETUP_ACTIVITY = "hitl-setup"
"""Activity that tells a workflow what its workers offer. It runs once; replays read the answer in history."""

NOTIFY_ACTIVITY = "hitl-notify"
"""Activity that runs one notifier, in runs of releases that told notifiers only of questions."""

TELL_ACTIVITY = "hitl-tell"
"""Activity that runs one notifier. It takes a notice of any kind, and returns a `Told`."""

VERIFY_ACTIVITY = "hitl-verify-ticket"
"""Activity that checks the ticket of a decision that came by signal. It returns whether it is good."""

PENDING = SearchAttributeKey.for_keyword("StrandsApprovals")
"""Search attribute with the value `IS_PENDING` while a workflow waits for a person, unset otherwise."""

IS_PENDING = "pending"
UNKNOWN_APPROVAL = "UnknownApproval"
ALREADY_DECIDED = "AlreadyDecided"
PAST_DEADLINE = "PastDeadline"
MALFORMED_DECISION = "MalformedDecision"
TOO_MUCH_EARLY = "TooMuchEarly"
NOT_WHAT_WAS_SEEN = "NotWhatWasSeen"
NOT_ALLOWED = "NotAllowed"
INVALID_ARGUMENTS = "InvalidArguments"
DENIED_BY_POLICY = "DeniedByPolicy"
NOT_VERIFIED = "NotVerified"
NOT_A_DECIDER = "NotADecider"
OWN_REQUEST = "OwnRequest"
ALREADY_VOTED = "AlreadyVoted"

NOT_PROVED = "The proof of identity was not accepted"
"""The text of each refusal of the kind `NOT_VERIFIED`. It says nothing about the cause."""
