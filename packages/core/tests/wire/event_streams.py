"""Streams of a model's events, for property tests."""

from typing import Any, cast

from hypothesis import strategies as st
from packages.core.tests.wire.wire_values import texts
from strands.types.streaming import StreamEvent


def delta(content: dict[str, Any], **others: Any) -> StreamEvent:
    return cast("StreamEvent", {"contentBlockDelta": {"delta": content, **others}})


text_deltas = texts.map(lambda text: delta({"text": text}))
indexed_deltas = st.tuples(texts, st.integers(0, 1)).map(
    lambda pair: delta({"text": pair[0]}, contentBlockIndex=pair[1])
)
# Some providers send a tool's id and name with a delta instead of at the start of the block.
tool_deltas = st.one_of(
    texts.map(lambda text: delta({"toolUse": {"input": text}})),
    st.sampled_from(['{"a": ', "1}", "{}", ""]).map(lambda text: delta({"toolUse": {"input": text}})),
    st.just(delta({"toolUse": {"input": "", "toolUseId": "late-id", "name": "late_name"}})),
    st.just(delta({"toolUse": {}})),
)
reasoning_deltas = st.one_of(
    texts.map(lambda text: delta({"reasoningContent": {"text": text}})),
    texts.map(lambda text: delta({"reasoningContent": {"signature": text}})),
    st.binary(max_size=5).map(lambda data: delta({"reasoningContent": {"redactedContent": data}})),
    st.just(delta({"reasoningContent": {"redactedContent": None}})),
    st.just(delta({"reasoningContent": {"text": "both", "signature": "lost"}})),
    st.just(delta({"reasoningContent": {}})),
)
citation_deltas = st.one_of(
    texts.map(lambda title: delta({"citation": {"title": title, "location": {}}})),
    texts.map(lambda title: delta({"text": title})),
)
any_deltas = text_deltas | indexed_deltas | tool_deltas | reasoning_deltas | citation_deltas


def one_event_of(*choices: Any) -> st.SearchStrategy[StreamEvent]:
    return st.sampled_from([cast("StreamEvent", choice) for choice in choices])


starts = one_event_of(
    {"contentBlockStart": {"start": {}}},
    {"contentBlockStart": {"start": {"toolUse": {"name": "weather", "toolUseId": "t1"}}}},
    {
        "contentBlockStart": {
            "start": {"toolUse": {"name": "signed", "toolUseId": "t2", "reasoningSignature": "s"}}
        }
    },
)
stops = one_event_of({"contentBlockStop": {}})
endings = one_event_of(
    {"messageStop": {"stopReason": "end_turn"}},
    {"messageStop": {"stopReason": "max_tokens"}},
    {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}},
    {"redactContent": {"redactAssistantContentMessage": "[redacted]"}},
)
kinds_of_deltas = [text_deltas, tool_deltas, reasoning_deltas, any_deltas]


@st.composite
def streams(draw: st.DrawFn) -> list[StreamEvent]:
    stream = [cast("StreamEvent", {"messageStart": {"role": "assistant"}})]
    for _ in range(draw(st.integers(0, 4))):
        stream += draw(st.lists(starts, max_size=1))
        stream += draw(st.lists(draw(st.sampled_from(kinds_of_deltas)), max_size=6))
        stream += draw(st.lists(stops, max_size=1))
    return stream + draw(st.lists(endings, max_size=3))
