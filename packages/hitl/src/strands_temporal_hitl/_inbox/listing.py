"""The list of questions: filtered, grouped and in pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode

from .._links import question_query
from .._people import Person
from .._types import PendingApproval
from .index import Entry, Waiting

PAGE = 25
"""Questions on a page of the list."""

GROUPS = ("", "tool", "agent", "workflow")
_MOST_CHOICES = 200
_LAST = "9999"  # after each ISO time


@dataclass(frozen=True)
class Filter:
    """What the list shows.

    Attributes:
        tool: Name of the tool; "" for all.
        agent: Name of the agent; "" for all.
        mine: Whether only questions that the person may decide.
        group: What the list is grouped by; "" for nothing.
        page: Number of the page, from 1.
    """

    tool: str = ""
    agent: str = ""
    mine: bool = False
    group: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filter":
        """Return the filter in an address. What it cannot read is left out."""
        group, page = query.get("group", ""), query.get("page", "1")
        return cls(
            query.get("tool", ""),
            query.get("agent", ""),
            query.get("mine") == "1",
            group if group in GROUPS else "",
            max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 6 else 1,
        )

    def query(self, **changed: Any) -> str:
        """Return the query of an address with this filter, or with another value in it."""
        values = {**vars(self), **changed}
        values["mine"] = "1" if values["mine"] else ""
        values["page"] = "" if values["page"] == 1 else values["page"]
        return urlencode({name: value for name, value in values.items() if value})


@dataclass(frozen=True)
class Row:
    """A line of the list.

    Attributes:
        workflow_id: The workflow.
        workflow_type: Its type.
        pending: The question; None if there is only a problem.
        problem: Why the workflow could not be asked.
        is_mine: Whether the person may decide it, as far as the inbox can tell.
    """

    workflow_id: str
    workflow_type: str
    pending: PendingApproval | None = None
    problem: str | None = None
    is_mine: bool = True

    @property
    def query(self) -> str:
        """The query of the question's address."""
        return question_query(self.workflow_id, self.pending.id if self.pending else "")

    @property
    def tool(self) -> str:
        """What the question is about, in one word."""
        return tool_of(self.pending) if self.pending else ""


@dataclass(frozen=True)
class Listing:
    """A page of the list.

    Attributes:
        groups: Titles and lines.
        total: How many questions there are.
        fitting: How many of them fit the filter.
        last_page: Number of the last page.
        tools: Names of all tools that are asked about, to choose from.
        agents: Names of all agents that ask.
        problems: Workflows that could not be asked.
        unasked: How many workflows were not asked yet.
        is_cut: Whether there are more workflows than the inbox lists.
    """

    groups: list[tuple[str, list[Row]]]
    total: int
    fitting: int
    last_page: int
    tools: list[str]
    agents: list[str]
    problems: list[Row] = field(default_factory=list[Row])
    unasked: int = 0
    is_cut: bool = False

    @property
    def shown(self) -> set[str]:
        """Ids of the workflows on this page."""
        return {row.workflow_id for _, rows in self.groups for row in rows}


def listing(waiting: Waiting, chosen: Filter, person: Person) -> Listing:
    """Return a page of what waits: the nearest deadline first, then what waits longest."""
    rows = [_row(entry, each, person) for entry in waiting.entries for each in entry.pending]
    problems = [Row(e.workflow.id, e.workflow.type, None, e.problem) for e in waiting.entries if e.problem]
    fitting = [row for row in rows if _fits(row, chosen)]
    fitting.sort(key=lambda row: (_group(row, chosen.group), *_urgency(row)))
    last = max(1, -(-len(fitting) // PAGE))
    page = min(chosen.page, last)
    groups: list[tuple[str, list[Row]]] = []
    for row in fitting[(page - 1) * PAGE : page * PAGE]:
        title = _group(row, chosen.group)
        if not groups or groups[-1][0] != title:
            groups.append((title, []))
        groups[-1][1].append(row)
    return Listing(
        groups,
        len(rows),
        len(fitting),
        last,
        _names(row.tool for row in rows),
        _names((row.pending.agent or "") for row in rows if row.pending),
        problems,
        waiting.unasked,
        waiting.is_cut,
    )


def tool_of(pending: PendingApproval) -> str:
    """Return what a question is about, in one word."""
    if pending.tool:
        return pending.tool
    tools = list(dict.fromkeys(call.tool for call in pending.calls))
    return ", ".join(tools) or pending.name


def may_decide(person: Person, pending: PendingApproval) -> bool:
    """Tell whether a person may decide, as far as the question tells. The workflow checks more than this."""
    if any(vote.by == person.name for vote in pending.votes):
        return False
    deciders = pending.deciders
    if not deciders:
        return True
    people, groups = _list(deciders.get("people")), _list(deciders.get("groups"))
    if not people and not groups:
        return True
    known = {*groups, *_list(deciders.get("veto"))}
    return person.name in people or bool(known & set(person.groups))


def _list(value: Any) -> list[str]:
    return (
        [each for each in cast("list[Any]", value) if isinstance(each, str)]
        if isinstance(value, list)
        else []
    )


def _row(entry: Entry, pending: PendingApproval, person: Person) -> Row:
    return Row(entry.workflow.id, entry.workflow.type, pending, entry.problem, may_decide(person, pending))


def _fits(row: Row, chosen: Filter) -> bool:
    agent = row.pending.agent if row.pending else None
    return (
        (not chosen.tool or row.tool == chosen.tool)
        and (not chosen.agent or agent == chosen.agent)
        and (row.is_mine or not chosen.mine)
    )


def _group(row: Row, group: str) -> str:
    if not group or row.pending is None:
        return ""
    return {"tool": row.tool, "agent": row.pending.agent or "", "workflow": row.workflow_id}[group]


def _urgency(row: Row) -> Sequence[str]:
    pending = cast("PendingApproval", row.pending)
    return pending.deadline or _LAST, pending.asked_at, row.workflow_id, pending.id


def _names(found: Any) -> list[str]:
    return sorted(set(found) - {""})[:_MOST_CHOICES]
