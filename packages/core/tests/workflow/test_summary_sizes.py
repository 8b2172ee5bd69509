"""Each summary fits Temporal's limit, whatever names and arguments it is made of."""

import json

from hypothesis import given
from hypothesis import strategies as st

from strands_temporal._workflow.summaries import summary_of, tool_summary


@given(st.lists(st.text(max_size=300), max_size=4), st.text(max_size=300))
def test_a_summary_has_at_most_200_bytes(parts: list[str], argument: str) -> None:
    for summary in (summary_of(*parts), tool_summary("t" * 64, {"a": argument}, group="群" * 64)):
        assert len(json.dumps(summary)) <= 202
        assert len(summary.encode()) <= 200
