"""The query `conversation`: the conversations of a run's agents, as text for a person."""

from collections.abc import Mapping
from typing import Any, cast

from .._upstream.run_local import run_local
from .._wire.values import utf8_text
from .agent_views import AgentView, AgentViews
from .message_texts import PAGE_CHARACTERS
from .query_handlers import takes_json
from .summaries import shortened

_LONGEST_NAME = 200  # characters of the person's arguments that an answer repeats


class Conversations:
    """Answers the query `conversation` in one run."""

    @takes_json
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
        agents = dict(run_local(AgentViews).named())
        if agent is not None and not (isinstance(agent, str) and agent in agents):
            return f"There is no agent {shortened(repr(agent), _LONGEST_NAME)} here. {_known(agents)}"
        if not isinstance(page, int) or page < 0:
            given = shortened(repr(page), _LONGEST_NAME)
            return f"The page {given} is not a number. 0 is the latest one, 1 the one before"
        chosen = agents if agent is None else {agent: agents[agent]}
        if not chosen:
            return "No agent has begun a turn in this run"
        room = PAGE_CHARACTERS // len(chosen)
        return "\n\n".join(
            utf8_text(page_of(name, view, page, room), "replace") for name, view in chosen.items()
        )


def _known(agents: Mapping[str, Any]) -> str:
    return f"Known: {', '.join(agents)}" if agents else "No agent has begun a turn in this run"


def page_of(name: str, view: AgentView, page: int, room: int) -> str:
    """Return a heading and the messages of one page, oldest first."""
    pages = _pages(view, room)
    heading = f"=== {name}: {view.state()}, turn {view.turn}, {view.message_count} messages"
    if view.kept is not None and len(view.kept) < view.message_count:
        heading += f", the latest {len(view.kept)} are kept"
    if len(pages) > 1 or page:
        heading += f", page {page} of 0 to {len(pages) - 1} (0 is the latest)"
    return "\n".join([f"{heading} ===", *(pages[page] if page < len(pages) else [])])


def _pages(view: AgentView, room: int) -> list[list[str]]:
    """Return the messages as text in pages of at most `room` characters, the latest page first."""
    pages: list[list[str]] = [[]]
    used = 0
    for text in view.latest_texts(room):
        if pages[-1] and used + len(text) > room:
            pages.append([])
            used = 0
        pages[-1].insert(0, text)
        used += len(text) + 1
    return pages
