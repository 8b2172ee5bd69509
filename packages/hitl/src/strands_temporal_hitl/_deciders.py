"""`Deciders`: who may decide a question, and how many of them it takes."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from strands_temporal import AgentTypeError, AgentValueError

from ._policy_reading import (
    fault,
    globs_in,
    object_in,
)
from ._values import brief

ASSISTANT = "mcp"
"""The channel of a person's own assistant, which may reject, and nothing else unless a rule lets it."""

_KEYS = ("groups", "people", "quorum", "four_eyes", "veto", "assistants", "channels")
_LARGEST_QUORUM = 20
_FORMS_OF_EMOJI = {0xFE0E: None, 0xFE0F: None}  # they change nothing that a reader sees in a name
_MOST_NAMES = 100


@dataclass(frozen=True)
class Deciders:
    """Who may decide: in a policy, or as `Approvals(deciders=...)`. They need a proof of who they are.

    Attributes:
        groups: Groups whose members may decide.
        people: People who may decide. Without groups and people, everybody whom the worker verifies.
        quorum: How many different people have to approve. One who rejects ends the question.
        four_eyes: Whether neither who started the workflow nor who asked for the turn may decide.
        veto: Groups of which one member ends the question by rejecting it, even one who may not approve it.
            With them, the others end it only if as many reject it as have to approve it.
        assistants: Whether a person's assistant (the channel "mcp") may do more than reject.
        channels: Where people may decide, for example ["inbox"]; empty for everywhere.

    Raises:
        AgentValueError: If something is of a wrong type, or nobody could ever decide.
    """

    groups: Sequence[str] = ()
    people: Sequence[str] = ()
    quorum: int = 1
    four_eyes: bool = False
    veto: Sequence[str] = ()
    assistants: bool = False
    channels: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("groups", "people", "veto", "channels"):
            given = globs_in(f"deciders.{name}", getattr(self, name))
            if len(given) > _MOST_NAMES:
                raise fault(f"deciders.{name}", f"has {len(given)} names, and may have {_MOST_NAMES}")
            object.__setattr__(self, name, tuple(dict.fromkeys(given)))
        for name in ("four_eyes", "assistants"):
            if not isinstance(getattr(self, name), bool):
                raise fault(f"deciders.{name}", f"{brief(getattr(self, name))} is not true or false")
        quorum: Any = self.quorum
        if isinstance(quorum, bool) or not isinstance(quorum, int) or not 1 <= quorum <= _LARGEST_QUORUM:
            raise fault("deciders.quorum", f"{brief(quorum)} is not a number from 1 to {_LARGEST_QUORUM}")
        if self.people and not self.groups and len({same(each) for each in self.people}) < quorum:
            raise fault("deciders.quorum", f"{quorum} people have to decide, and only {len(self.people)} may")
        if ASSISTANT in self.channels and len(self.channels) == 1 and not self.assistants:
            raise fault("deciders.channels", "only assistants may decide, and assistants is false")

    def to_json(self) -> dict[str, Any]:
        """Return them as a JSON object, with all keys."""
        values = {name: getattr(self, name) for name in _KEYS}
        return {name: [*each] if isinstance(each, tuple) else each for name, each in values.items()}

    def includes(self, name: str, groups: Iterable[str]) -> bool:
        """Tell whether a person is named, or in a group that is."""
        return not (self.groups or self.people) or name in self.people or bool(set(self.groups) & {*groups})

    def vetoes(self, groups: Iterable[str]) -> bool:
        """Tell whether a member of these groups ends a question by rejecting it."""
        return bool(set(self.veto) & {*groups})

    def through(self, channel: str, *, rejects: bool) -> bool:
        """Tell whether people may decide by a channel."""
        if self.channels and channel not in self.channels:
            return False
        return channel != ASSISTANT or rejects or self.assistants


def read_deciders(place: str, value: Any) -> Deciders:
    """Return the deciders in a JSON value.

    Raises:
        AgentValueError: If something in it is wrong. The message names the place.
    """
    given = object_in(place, value, _KEYS, ())
    try:
        return Deciders(**given)
    except AgentValueError as error:
        raise AgentValueError(error.message.replace(" deciders", f" {place}", 1)) from None


def given_deciders(argument: str, value: Any, *, most: int | None = None) -> Deciders | None:
    """Return the deciders that are an argument of `Approvals`.

    Raises:
        AgentTypeError: If they are of a wrong type.
        AgentValueError: If something in them is wrong.
    """
    if value is None or isinstance(value, Deciders):
        found = value
    elif isinstance(value, dict):
        try:
            found = read_deciders(argument, value)
        except AgentValueError as error:
            raise AgentValueError(error.message.replace("ApprovalPolicy: ", "Approvals: ", 1)) from None
    else:
        raise AgentTypeError(f"Approvals: {argument}={value!r} is neither Deciders nor a JSON object of them")
    if found is not None and most is not None and (found.quorum > most or found.veto):
        raise AgentValueError(f"Approvals: {argument}: one person changes a policy: no quorum and no veto")
    return found


def strictest(of: Sequence[Deciders | None]) -> tuple[Deciders | None, bool]:
    """Return who may decide several calls at once, and whether anybody may approve them.

    A person has to be allowed to decide each of them. It takes as many people as the call that takes most. If
    that leaves nobody, those who may decide one of them may reject them all.
    """
    given = [each for each in of if each is not None]
    if not given:
        return None, True
    first, *others = given
    for each in others:
        merged = _both(first, each)
        if merged is None:
            return _either(given), False
        first = merged
    return first, True


def same(name: str) -> str:
    """Return a name as names are compared: case, forms of characters, and how many spaces do not differ."""
    plain = unicodedata.normalize("NFKC", name).translate(_FORMS_OF_EMOJI)
    return unicodedata.normalize("NFKC", " ".join(plain.casefold().split()))


def _both(one: Deciders, other: Deciders) -> Deciders | None:
    lists = [each for each in (one, other) if each.groups or each.people]
    groups, people = (lists[0].groups, lists[0].people) if lists else ((), ())
    if len(lists) == 2:  # both name people
        groups = [each for each in one.groups if each in other.groups]
        people = [each for each in one.people if each in other.people]
        if not groups and not people:
            return None
    channels = one.channels or other.channels
    if one.channels and other.channels:
        channels = [each for each in one.channels if each in other.channels]
        if not channels:
            return None
    try:
        return Deciders(
            groups,
            people,
            max(one.quorum, other.quorum),
            one.four_eyes or other.four_eyes,
            [*one.veto, *other.veto] if one.veto and other.veto else (),
            one.assistants and other.assistants,
            channels,
        )
    except AgentValueError:  # too few people are left for the quorum
        return None


def _either(given: Sequence[Deciders]) -> Deciders:
    is_open = any(not (each.groups or each.people) for each in given)
    return Deciders(
        () if is_open else list(dict.fromkeys(name for each in given for name in each.groups))[:_MOST_NAMES],
        () if is_open else list(dict.fromkeys(name for each in given for name in each.people))[:_MOST_NAMES],
        four_eyes=any(each.four_eyes for each in given),
        veto=list(dict.fromkeys(name for each in given for name in each.veto))[:_MOST_NAMES],
    )
