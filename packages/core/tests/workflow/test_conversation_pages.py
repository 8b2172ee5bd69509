"""The pages of the query `conversation`: each message is on one, and each page fits."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strands_temporal._workflow.agent_views import AgentView
from strands_temporal._workflow.conversation import page_of
from strands_temporal._workflow.message_texts import PAGE_CHARACTERS

_BLOCKS: list[Any] = [
    {"text": "x" * 5_000},
    {"text": ""},
    {"toolUse": {"name": "t", "toolUseId": "1", "input": {"a": ["é" * 900]}}},
    {"toolResult": {"toolUseId": "1", "status": "error", "content": [{"text": "y" * 900}, {"json": {}}]}},
    {"toolResult": {"toolUseId": "1", "status": "success", "content": []}},
    {"image": {}},
    {},
]
_ROLES = st.sampled_from(["user", "assistant"])
_MESSAGE: Any = st.fixed_dictionaries(
    {"role": _ROLES, "content": st.lists(st.sampled_from(_BLOCKS), max_size=40)}
)
MESSAGES: Any = st.lists(_MESSAGE, max_size=60)


@given(messages=MESSAGES, room=st.sampled_from([PAGE_CHARACTERS, PAGE_CHARACTERS // 8]))
def test_all_messages_are_on_pages_that_fit(messages: list[Any], room: int) -> None:
    view = AgentView(messages=messages)
    pages: list[str] = []
    while (text := page_of("a", view, len(pages), room)).count("\n"):
        pages.append(text)
    assert all(len(page) <= room + 100 for page in pages)
    roles = [
        line.split(":")[0]
        for page in reversed(pages)
        for line in page.splitlines()[1:]
        if line.startswith(("user: ", "assistant: "))
    ]
    assert roles == [message["role"] for message in messages]


@given(messages=MESSAGES)
def test_of_a_dropped_agent_the_latest_page_remains(messages: list[Any]) -> None:
    view = AgentView(messages=messages)
    before = page_of("a", view, 0, PAGE_CHARACTERS).splitlines()[1:]
    view.drop()
    assert view.messages == []
    assert sum(map(len, view.kept or ())) <= PAGE_CHARACTERS
    assert view.message_count == len(messages)
    assert before[-1:] == page_of("a", view, 0, PAGE_CHARACTERS).splitlines()[1:][-1:]


def test_a_dropped_agent_says_how_much_of_it_is_kept() -> None:
    view = AgentView(messages=[{"role": "user", "content": [{"text": "x" * 1_990}]} for _ in range(30)])
    view.drop()
    (heading, *lines) = page_of("a", view, 0, PAGE_CHARACTERS).splitlines()
    assert heading == "=== a: idle, turn 0, 30 messages, the latest 20 are kept ==="
    assert len(lines) == 20


def test_a_message_that_cannot_be_read_is_one_line() -> None:
    odd: list[Any] = [{"role": "user", "content": [{"text": "hello"}]}, None, {"role": "user", "content": 7}]
    assert page_of("a", AgentView(messages=odd), 0, PAGE_CHARACTERS).splitlines()[1:] == [
        "user: hello",
        "(failed: AttributeError)",
        "(failed: TypeError)",
    ]
