"""The query `conversation`: the conversations of a run's agents, as text for a person."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from strands import Agent

from .._upstream.run_local import run_local
from .._wire.values import utf8_text
from .agent_views import AgentView, AgentViews, turn_of
from .summaries import brief_json, shortened

PAGE_CHARACTERS = 40_000
"""Characters of a page. In JSON and UTF-8 each takes at most six bytes; the server warns above 512 KiB."""

_LONGEST_TEXT = 2_000  # characters of a message's text
_LONGEST_VALUE = 300  # characters of a tool's arguments, or of its result


class Conversations:
    """Answers the query `conversation` in one run."""

    def answer(self, agent: Any = None, page: Any = 0) -> str:
        """Return a page of the conversations. Page 0 has the latest messages.

        Accepts any arguments, because a person may call the query by hand. If an argument makes no sense, the
        answer is a sentence that says so.

        Args:
            agent: Name of an agent; None for all agents of the run. The Web UI sends one argument only, so
                `agent` may also be the number of the page, or a mapping with the keys `agent` and `page`.
            page: Number of the page, from 0.
        """
        if isinstance(agent, int):
            agent, page = None, agent
        elif isinstance(agent, Mapping):
            both = cast("Mapping[str, Any]", agent)
            agent, page = both.get("agent"), both.get("page", 0)
        agents = {name: (each, view) for name, each, view in run_local(AgentViews).named()}
        if agent is not None and agent not in agents:
            return f"There is no agent {agent!r} here. {_known(agents)}"
        if not isinstance(page, int) or page < 0:
            return f"The page {page!r} is not a number. 0 is the latest one, 1 the one before"
        chosen = agents if agent is None else {agent: agents[agent]}
        if not chosen:
            return "No agent has begun a turn in this run"
        room = PAGE_CHARACTERS // len(chosen)
        return "\n\n".join(
            utf8_text(page_of(name, each, view, page, room), "replace")
            for name, (each, view) in chosen.items()
        )


def _known(agents: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(agents)}" if agents else "No agent has begun a turn in this run"


def page_of(name: str, agent: Agent, view: AgentView, page: int, room: int) -> str:
    """Return a heading and the messages of one page, oldest first."""
    messages = list(agent.messages)
    pages = _pages(messages, room)
    heading = f"=== {name}: {view.state()}, turn {turn_of(agent, view)}, {len(messages)} messages"
    if len(pages) > 1 or page:
        heading += f", page {page} of 0 to {len(pages) - 1} (0 is the latest)"
    return "\n".join([f"{heading} ===", *(pages[page] if page < len(pages) else [])])


def _pages(messages: list[Any], room: int) -> list[list[str]]:
    """Return the messages as text in pages of at most `room` characters, the latest page first."""
    pages: list[list[str]] = [[]]
    used = 0
    for message in reversed(messages):
        text = shortened("\n".join(_lines(message)), room)
        if pages[-1] and used + len(text) > room:
            pages.append([])
            used = 0
        pages[-1].insert(0, text)
        used += len(text) + 1
    return pages


def _lines(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message's blocks, the first after the role. Blocks that are no text stand in brackets."""
    lead = f"{message.get('role')}: "
    for block in message.get("content") or [{"text": "(nothing)"}]:
        yield lead + _block(block)
        lead = "  "


def _block(block: Mapping[str, Any]) -> str:
    kind = next(iter(block), "nothing")
    value: Any = block.get(kind)
    if kind == "text":
        return _cut(str(value), _LONGEST_TEXT)
    if kind == "toolUse":
        return f"[calls {value['name']} {brief_json(value.get('input'), _LONGEST_VALUE)}]"
    if kind == "toolResult":
        return f"[{_result(value)}]"
    return f"[{kind}]"  # an image, a document, reasoning, a cache point


def _result(result: Mapping[str, Any]) -> str:
    texts = [
        str(block["text"])
        if "text" in block
        else brief_json(block["json"], _LONGEST_VALUE)
        if "json" in block
        else f"({next(iter(block), 'nothing')})"
        for block in cast("list[Mapping[str, Any]]", result.get("content") or [])
    ]
    word = "result" if result.get("status") != "error" else "error"
    return f"{word}: {_cut(' '.join(texts), _LONGEST_VALUE)}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
