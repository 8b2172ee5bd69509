"""The options of a `Conversation`: their types, for checkers and editors, and their values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, TypedDict, cast, get_args

from pydantic import BaseModel
from strands.types.agent import Limits
from temporalio import workflow

from .._errors import AgentTypeError, AgentValueError, did_you_mean
from .conversation_input import checked_input_model

WhileBusy = Literal["queue", "reject", "steer"]


class ConversationOptions(TypedDict, total=False):
    """Options of a `Conversation`, and of an agent by name (`AgentDefinition`).

    Attributes:
        while_busy: What happens to a message that comes while a turn runs. "queue", the default: it gets a
            turn of its own, later. "reject": `ConversationBusyError`. "steer": the model reads it at its next
            call in the turn that runs; if there is none, it gets a turn of its own.
        idle_timeout: The conversation ends when no message has come for so long. None waits without limit.
        max_turns: The conversation ends after so many turns.
        max_tokens: The conversation ends when its model calls have used so many tokens, input and output,
            those of sub-agents included. Checked before each model call, so the last call may exceed it.
        limits: Strands' limits of each turn: `{"turns": 20, "output_tokens": 4000, "total_tokens": 90000}`.
        input_model: Model or JSON schema of the typed data that `send` takes beside text and content blocks.
            The agent gets the data as JSON text. A schema refers to no other document.
        approvals: A function that makes the `Approvals` of strands-temporal-hitl from what they carried:
            `lambda carry: Approvals(deadline=timedelta(days=2), carry=carry)`. By default `Approvals` without
            a deadline, if the package is installed. False: nobody answers, and a turn that pauses ends with
            its interrupts in `TurnResult`.
        hand_over_when: Function that returns true if the workflow should continue as new, between two turns
            or inside of one. By default `workflow.info().is_continue_as_new_suggested`. A history that is
            nearly full (45,000 events or 45 MiB) needs no such wish.
    """

    while_busy: WhileBusy
    idle_timeout: timedelta | None
    max_turns: int | None
    max_tokens: int | None
    limits: Limits | None
    input_model: type[BaseModel] | Mapping[str, Any] | None
    approvals: Callable[[Any], Any] | Literal[False] | None
    hand_over_when: Callable[[], bool] | None


@dataclass(frozen=True)
class ConversationSettings:
    """The options of a conversation with their defaults. See `ConversationOptions`."""

    while_busy: WhileBusy = "queue"
    idle_timeout: timedelta | None = None
    max_turns: int | None = None
    max_tokens: int | None = None
    limits: Limits | None = None
    input_model: type[BaseModel] | Mapping[str, Any] | None = None
    approvals: Callable[[Any], Any] | Literal[False] | None = None
    hand_over_when: Callable[[], bool] | None = None

    def wants_to_hand_over(self) -> bool:
        """Tell whether the workflow should continue as new."""
        when = self.hand_over_when
        return workflow.info().is_continue_as_new_suggested() if when is None else bool(when())


def settings_of(owner: str, options: ConversationOptions) -> ConversationSettings:
    """Check the options and return them with their defaults.

    Args:
        owner: The user's code that has the options, for messages: "Conversation".
        options: The options.

    Raises:
        AgentTypeError: If an option is unknown, or has a wrong type.
        AgentValueError: If an option has a wrong value.
    """
    known = list(ConversationOptions.__annotations__)
    for name in options:
        if name not in known:
            raise AgentTypeError(
                f"{owner}: unknown option {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}"
            )
    settings = ConversationSettings(**options)
    if settings.while_busy not in get_args(WhileBusy):
        raise AgentValueError(
            f"{owner}: while_busy={settings.while_busy!r} is unknown. "
            f"Known: {', '.join(map(repr, get_args(WhileBusy)))}"
        )
    _check_timeout(owner, settings.idle_timeout)
    _check_count(owner, "max_turns", settings.max_turns)
    _check_count(owner, "max_tokens", settings.max_tokens)
    _check_limits(owner, settings.limits)
    _check_functions(owner, settings)
    return replace(settings, input_model=checked_input_model(owner, settings.input_model))


def _check_timeout(owner: str, timeout: object) -> None:
    if timeout is None:
        return
    if not isinstance(timeout, timedelta):
        raise AgentTypeError(
            f"{owner}: idle_timeout={timeout!r} is not a timedelta. Write timedelta(hours=...)"
        )
    if timeout <= timedelta(0):
        raise AgentValueError(f"{owner}: idle_timeout={timeout!r} is not positive")


def _check_count(owner: str, name: str, count: object) -> None:
    if count is None:
        return
    if not isinstance(count, int) or isinstance(count, bool):
        raise AgentTypeError(f"{owner}: {name}={count!r} is not a whole number")
    if count < 1:
        raise AgentValueError(f"{owner}: {name}={count} is not positive. None sets no limit")


def _check_limits(owner: str, limits: object) -> None:
    if limits is None:
        return
    known = list(Limits.__annotations__)
    if not isinstance(limits, Mapping):
        raise AgentTypeError(f"{owner}: limits={limits!r} is not a dict with some of the keys {known}")
    for name, count in cast("Mapping[Any, Any]", limits).items():
        if name not in known:
            raise AgentValueError(
                f"{owner}: limits has an unknown key {name!r}.{did_you_mean(str(name), known)} Known: {known}"
            )
        _check_count(owner, f"limits[{name!r}]", count)


def _check_functions(owner: str, settings: ConversationSettings) -> None:
    if settings.hand_over_when is not None and not callable(settings.hand_over_when):
        raise AgentTypeError(
            f"{owner}: hand_over_when={settings.hand_over_when!r} is not a function. Write "
            "hand_over_when=workflow.info().is_continue_as_new_suggested"
        )
    approvals: Any = settings.approvals
    if approvals is not None and approvals is not False and not callable(approvals):
        raise AgentTypeError(
            f"{owner}: approvals={approvals!r} is not a function. The conversation carries the approvals to "
            "its next run, so it needs to make them: approvals=lambda carry: Approvals(carry=carry)"
        )
