"""Publishes the begins and the ends of the turns of graphs and swarms, from what Strands keeps of them."""

from typing import Any, cast

from strands.agent.agent_result import AgentResult
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase
from strands.multiagent.base import NodeResult

from strands_temporal.extension import run_local, team_waits_with

from ._cut import counts, dumped, error_text, model_as_json, short
from ._deciding import Deciding
from ._decision_types import Decision
from ._life import Life
from ._life_types import TurnStarted
from ._places import Place
from ._turns import (
    cut_text,
    executor_name,
    pending,
    publish_answers,
    publish_ends,
    publish_failure,
    publish_questions,
    shown_prompt,
    text_of,
)
from ._types import TurnEnd

_NODE_INTERRUPT = "v1:before_node_call:"
"""Begins the id of an interrupt that a hook raised before a node (Strands 1.62: hooks/events.py)."""


def team_turn_started(current: Life, team: MultiAgentBase, place: Place) -> None:
    """Publish that the outermost team begins a turn, or goes on with it. Strands has set its task."""
    waiting = team_waits_with(team) if current.state.waits else None
    if waiting:
        publish_answers(current, team, waiting.values(), place)
    current.begin_turn(goes_on=bool(waiting))
    shown, cut = (None, False) if waiting else shown_prompt(_prompt_of(team))
    current.publish(TurnStarted(prompt=shown, truncated=cut), place, executor_name(team))


def team_turn_ended(current: Life, team: MultiAgentBase, place: Place) -> None:
    """Publish the end of a turn of the outermost team, and the questions that it waits for."""
    name, state = executor_name(team), cast("Any", team).state
    status, error = team_status(state), publish_failure(current, place, executor_name(team))
    text, output, cut = "", None, False
    asked: list[Interrupt] = []
    if error is None and status == "completed":
        text, output, cut = _answer(state)
    elif error is None and status == "interrupted":
        asked = [one for one in (team_waits_with(team) or {}).values() if one.response is None]
    elif error is None:
        error = _failure(state, status)
    if error is not None:
        publish_ends(current, place, error)
    if not asked:
        run_local(Deciding).end_turn()
    for one in asked:
        if one.id.startswith(_NODE_INTERRUPT) and one.id not in current.state.questions:
            reason = one.reason if isinstance(one.reason, str) else dumped(one.reason)
            decision = Decision(kind="hook", name=one.name, outcome="interrupted", reason=short(reason))
            current.publish(decision, place, name)
    ended = TurnEnd(
        None if error else {"completed": "end_turn", "interrupted": "interrupt"}.get(status),
        pending(asked),
        result=text,
        structured_output=output,
        usage=_usage(current, state),
        truncated=cut,
        error=error,
    )
    current.publish(ended, place, name)
    publish_questions(current, team, asked, place)


def team_status(state: Any) -> str:
    """Return the status in the state of a graph or a swarm."""
    return status_text(getattr(state, "status", None) or getattr(state, "completion_status", None))


def status_text(status: Any) -> str:
    """Return one of Strands' statuses as text."""
    return str(getattr(status, "value", status) or "")


def _prompt_of(team: MultiAgentBase) -> Any:
    """Return the task of a team: text, or content blocks."""
    return getattr(cast("Any", team).state, "task", None)


def _answer(state: Any) -> tuple[str, Any, bool]:
    """Return the text and the structured output of a team's last nodes, and whether they were cut.

    The text of several nodes has their ids before it, as in Strands. Structured output is that of one node.
    """
    last = [(node, result) for node, result in _last_results(state)]
    texts = [(node, _text(result)) for node, result in last]
    whole = texts[0][1] if len(texts) == 1 else "\n".join(f"{node}: {text}" for node, text in texts)
    text, is_long = cut_text(whole)
    result: Any = last[0][1].result if len(last) == 1 else None
    output, is_large = model_as_json(result.structured_output if isinstance(result, AgentResult) else None)
    return text, output, is_long or is_large


def _last_results(state: Any) -> list[tuple[str, NodeResult]]:
    """Return the results of the nodes after which no other node ran.

    Args:
        state: The state, or the result, of a graph or a swarm.
    """
    results: dict[str, NodeResult] = state.results
    ran = [
        node.node_id for node in getattr(state, "execution_order", None) or getattr(state, "node_history", ())
    ]
    ran = [node for node in ran if node in results]
    if not ran:
        return list(results.items())
    edges = [(before.node_id, after.node_id) for before, after in getattr(state, "edges", ())]
    led_on = {before for before, after in edges if before in results and after in results}
    last = [node for node in dict.fromkeys(ran) if node not in led_on] if edges else []
    # In a circle each node leads on.
    return [(node, results[node]) for node in last or ran[-1:]]


def _text(result: NodeResult) -> str:
    inner = result.result
    if isinstance(inner, AgentResult):
        return text_of(inner)
    if isinstance(inner, Exception):
        return ": ".join(filter(None, error_text(inner)))
    texts = [(node, _text(each)) for node, each in _last_results(inner)]
    return texts[0][1] if len(texts) == 1 else "\n".join(f"{node}: {text}" for node, text in texts)


def _failure(state: Any, status: str) -> str:
    """Return why a team failed without an error: a node did, or it reached a limit."""
    failed = [
        f"node {node}: {_text(result)}"
        for node, result in state.results.items()
        if isinstance(result.result, Exception)
    ]
    return "; ".join(failed) or f"the team ended as {status}: a limit was reached, or a node was cancelled"


def _usage(current: Life, state: Any) -> dict[str, int]:
    """Return the tokens of the turn. A node whose model calls nobody sees tells its own: an A2A agent."""
    seen, told = current.state.turn_usage, counts(getattr(state, "accumulated_usage", {}))
    return {name: max(seen.get(name, 0), told.get(name, 0)) for name in {**told, **seen}}
