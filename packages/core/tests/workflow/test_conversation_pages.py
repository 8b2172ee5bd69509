"""The pages of the query `conversation`: each message is on one, and each page fits."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from strands import Agent

from strands_temporal._workflow.agent_views import AgentView
from strands_temporal._workflow.conversation import PAGE_CHARACTERS, page_of
from strands_temporal.testing import ScriptedModel

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
    agent = Agent(ScriptedModel(), messages=messages, name="a")
    agent.messages[:] = messages
    pages: list[str] = []
    while (text := page_of("a", agent, AgentView(), len(pages), room)).count("\n"):
        pages.append(text)
    assert all(len(page) <= room + 100 for page in pages)
    roles = [
        line.split(":")[0]
        for page in reversed(pages)
        for line in page.splitlines()[1:]
        if line.startswith(("user: ", "assistant: "))
    ]
    assert roles == [message["role"] for message in messages]
