"""The queries that each run registers cost it little."""

from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from strands_temporal._workflow.conversation import Conversations
from strands_temporal._workflow.transcripts import SentTranscripts
from strands_temporal._workflow.usage import WorkflowUsage


@pytest.mark.parametrize("handler", [SentTranscripts.page, Conversations.answer, WorkflowUsage.to_json])
def test_temporal_evaluates_no_annotations(handler: Callable[..., Any]) -> None:
    assert get_type_hints(handler) == {}
