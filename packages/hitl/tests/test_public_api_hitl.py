"""The public surface of this package, pinned."""

import strands_temporal_hitl
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_hitl.__all__ == [
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
    assert all(hasattr(strands_temporal_hitl, name) for name in strands_temporal_hitl.__all__)
    assert issubclass(strands_temporal_hitl.HITLPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_hitl.HITLPlugin().name() == "strands_temporal_hitl.HITLPlugin"
