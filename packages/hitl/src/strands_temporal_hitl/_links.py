"""Signed links with which one person decides one question, for e-mail and chat.

The pages behind them are the inbox's (`strands_temporal_hitl.inbox`). A link is made on a worker, in a
notifier, and read by the inbox; both have the key.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from typing import Any, cast
from urllib.parse import quote, urlencode, urlsplit

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal.extension import read_as

from ._notices import ApprovalNotice
from ._people import Person
from ._sealed import SHORTEST_KEY, seal, unseal
from ._types import PendingApproval

LONGEST = timedelta(days=7)
"""How long a link is good for, at most."""

LINK_VERDICTS = ("approve", "reject")
"""The verdicts that a link may be for. The others need the person's words."""

_VERSION = 1
_PURPOSE = b"strands-temporal decision link 1\n"  # what is signed with this key for other uses is no link
_LARGEST = 8_000  # characters of a token; longer ones are refused unread

Key = str | bytes | Sequence[str | bytes]
"""A key, or several of them: the first one signs, and each of them is accepted. So keys can be replaced."""


class LinkError(Exception):
    """A link is not good: it was changed, is of another kind or key, or too old. The text is for people."""


@dataclass(frozen=True)
class DecisionLink:
    """What a link is for. Its signature covers all of it.

    Attributes:
        namespace: Temporal namespace of the workflow.
        workflow_id: The workflow.
        approval: Id of the question.
        digest: Digest of the call that the person was told of; None if the question is about no call.
        person: For whom the link is.
        groups: The person's groups when the link was made.
        verdict: "approve" or "reject"; None leaves the choice to the page.
        expires_at: Until when it is good, in seconds since 1970.
        nonce: Makes the link the only one of its kind. It is good for one decision.
    """

    namespace: str
    workflow_id: str
    approval: str
    digest: str | None
    person: str
    groups: list[str] = field(default_factory=list[str])
    verdict: str | None = None
    expires_at: int = 0
    nonce: str = ""

    @property
    def request_id(self) -> str:
        """Temporal's id of the update that carries its decision: the same one counts once."""
        return f"link-{self.nonce}"


class DecisionLinks:
    """Makes the links of notices. Give it to a notifier, and the same key to `inbox_app(links_key=...)`.

    A link is for one person, one question, one call with its arguments and, if given, one verdict. It is
    good until the question's deadline, for 7 days at most, and for one decision. Opening it decides nothing:
    the page that it shows has a button.

    Whoever has the link can use it: send it to that person alone.

    Args:
        base_url: Address of the inbox, http or https, with the path where it is mounted.
        key: The key, a secret of at least 32 bytes, or several of them. The first one signs.
        people: Returns the person with a name, with the groups. Without it a name has no groups.
        lifetime: How long a link is good for, at most 7 days.

    Raises:
        AgentTypeError: If an argument has a wrong type.
        AgentValueError: If `base_url` is no address, a key is too short, or `lifetime` is too long.
    """

    def __init__(
        self,
        base_url: str,
        key: Key,
        people: Callable[[str], Person] | None = None,
        *,
        lifetime: timedelta = LONGEST,
    ) -> None:
        self._base = _address(base_url)
        self._keys = keys_of("DecisionLinks", "key", key)
        if people is not None and not callable(people):
            raise AgentTypeError(f"DecisionLinks: people={people!r} is not a function of a name")
        self._people = people
        if not timedelta(0) < lifetime <= LONGEST:
            raise AgentValueError(f"DecisionLinks: lifetime={lifetime!r} is not above 0 and at most 7 days")
        self._lifetime = lifetime

    def url(
        self,
        notice: ApprovalNotice,
        pending: PendingApproval,
        person: Person | str,
        verdict: str | None = None,
    ) -> str:
        """Return the address at which a person decides a question.

        Args:
            notice: The notice that the link goes with.
            pending: The question, one of the notice's.
            person: The person, or the person's name.
            verdict: "approve" or "reject", which the page then asks to confirm; None lets the person choose.

        Raises:
            AgentValueError: If the verdict is another one, or the person has no name.
        """
        if verdict is not None and verdict not in LINK_VERDICTS:
            raise AgentValueError(
                f"DecisionLinks.url: verdict={verdict!r} is not one of {list(LINK_VERDICTS)}. A link without "
                "a verdict lets the person choose"
            )
        if isinstance(person, str) and self._people is not None:
            person = self._people(person)
        found = Person(person) if isinstance(person, str) else person
        if not found.name.strip():
            raise AgentValueError("DecisionLinks.url: the person has no name")
        link = DecisionLink(
            namespace=notice.namespace,
            workflow_id=notice.workflow_id,
            approval=pending.id,
            digest=pending.digest,
            person=found.name,
            groups=list(found.groups),
            verdict=verdict,
            expires_at=self._expiry(pending),
            nonce=secrets.token_urlsafe(12),
        )
        return f"{self._base}/link/{sign_link(link, self._keys[0])}"

    def inbox_url(self, notice: ApprovalNotice, pending: PendingApproval | None = None) -> str:
        """Return the address of a question in the inbox, or of the list. People sign in there."""
        if pending is None:
            return f"{self._base}/"
        return f"{self._base}/question?{question_query(notice.workflow_id, pending.id)}"

    def _expiry(self, pending: PendingApproval) -> int:
        now = datetime.now(timezone.utc)
        until = now + self._lifetime
        if pending.deadline:
            until = min(until, datetime.fromisoformat(pending.deadline))
        return int(until.timestamp())


def question_query(workflow_id: str, approval: str) -> str:
    """Return the query of a question's address."""
    return urlencode({"workflow": workflow_id, "id": approval}, quote_via=quote)


def sign_link(link: DecisionLink, key: bytes) -> str:
    """Return a link's token, for an address."""
    values: list[Any] = [_VERSION, *vars(link).values()]
    body = json.dumps(values, separators=(",", ":")).encode()
    return seal(body, key, _PURPOSE)


def read_link(token: str, keys: Sequence[bytes], *, now: float) -> DecisionLink:
    """Return what a token is for.

    Raises:
        LinkError: If it is not good, or its time is over.
    """
    if len(token) > _LARGEST:
        raise LinkError("This link is not valid.")
    try:
        content = unseal(token, keys, _PURPOSE)
    except ValueError:
        content = None
    if content is None:
        raise LinkError("This link is not valid. It may have been cut when it was copied.")
    try:
        version, *values = json.loads(content)
    except (ValueError, TypeError, RecursionError):
        raise LinkError("This link is not valid.") from None
    if version != _VERSION or len(values) != len(fields(DecisionLink)):
        raise LinkError("This link was made by another release of the software.")
    names = (each.name for each in fields(DecisionLink))
    try:
        link = read_as(DecisionLink, dict(zip(names, values, strict=True)))
    except AgentTypeError:
        raise LinkError("This link is not valid.") from None
    if now >= link.expires_at:
        try:
            until = datetime.fromtimestamp(link.expires_at, timezone.utc)
        except (OverflowError, OSError, ValueError):  # before all dates
            raise LinkError("This link is not valid.") from None
        raise LinkError(f"This link was good until {until:%Y-%m-%d %H:%M} UTC.")
    return link


def keys_of(where: str, name: str, given: Any) -> list[bytes]:
    """Return the keys in an argument: one, or a list of them.

    Raises:
        AgentTypeError: If it is neither text nor bytes, nor a list of these.
        AgentValueError: If there is none, or one is shorter than 32 bytes.
    """
    each = [given] if isinstance(given, (str, bytes)) else given
    if not isinstance(each, Sequence) or not all(
        isinstance(k, (str, bytes)) for k in cast("list[Any]", each)
    ):
        raise AgentTypeError(f"{where}: {name}= is neither text nor bytes, nor a list of keys")
    keys = [k.encode() if isinstance(k, str) else k for k in cast("Sequence[str | bytes]", each)]
    if not keys:
        raise AgentValueError(f"{where}: {name}=[] has no key")
    for key in keys:
        if len(key) < SHORTEST_KEY:
            raise AgentValueError(
                f"{where}: {name}= has a key of {len(key)} bytes, and needs {SHORTEST_KEY}. Make one with "
                "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
    return keys


def _address(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise AgentValueError(f"DecisionLinks: base_url={base_url!r} is not an http or https address")
    return base_url.rstrip("/")
