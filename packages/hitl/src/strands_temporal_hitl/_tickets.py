"""Tickets: proofs of who decides, for one decision in one workflow. Also the values that front ends sign.

Both are `payload.mac` in URL-safe base64, with an HMAC-SHA256 by a key that only workers and trusted front
ends have. It makes no calls to Temporal, and times are arguments.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from temporalio.exceptions import ApplicationError
from typing_extensions import override

from ._allowed import refusal
from ._errors import NotVerifiedError
from ._protocol import NOT_PROVED, NOT_VERIFIED
from ._sealed import SHORTEST_KEY, parts_of, seal, unseal
from ._visible import is_visible

TICKET_SECONDS = 60
"""How long a ticket counts."""

LARGEST_SIGNED = 100_000
"""Characters of a signed text."""

_MOST_GROUPS = 500
_LONGEST_NAME = 500

Purpose = Literal["ticket", "person"]


@dataclass(frozen=True)
class Claims:
    """What a ticket says.

    Attributes:
        person: Who decides.
        groups: The person's groups.
        channel: Where the person decides.
        namespace: Temporal namespace of the workflow.
        workflow_id: The workflow.
        digest: Digest of the decision.
        expires_at: When the ticket expires, in seconds since 1970.
        nonce: Each counts once in a workflow.
    """

    person: str
    groups: list[str] = field(default_factory=list[str])
    channel: str = ""
    namespace: str = ""
    workflow_id: str = ""
    digest: str = ""
    expires_at: float = 0
    nonce: str = ""


class Secrets:
    """Values that are compared, and never shown."""

    def __init__(self, values: Sequence[str | bytes]) -> None:
        self._values = [value.encode() if isinstance(value, str) else value for value in values]

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secrets) and self._values == other._values

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # it is compared only

    @override
    def __repr__(self) -> str:
        return f"{len(self._values)} keys"


def checked_keys(where: str, keys: Any) -> list[bytes]:
    """Return keys as bytes.

    Raises:
        TypeError: If they are no sequence of texts or bytes.
        ValueError: If there is none, or one is too short.
    """
    if isinstance(keys, (str, bytes)) or not isinstance(keys, Sequence):
        raise TypeError(f"{where}: keys are a list, of which the first one signs. Write [key]")
    found = [_checked_key(where, key) for key in cast("Sequence[Any]", keys)]
    if not found:
        raise ValueError(f"{where}: there is no key. Make one with secrets.token_urlsafe(32)")
    return found


def _checked_key(where: str, key: Any) -> bytes:
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"{where}: a key is text or bytes, not {type(key).__name__}")
    value = key.encode() if isinstance(key, str) else key
    if len(value) < SHORTEST_KEY:
        raise ValueError(
            f"{where}: a key has {len(value)} bytes, and needs {SHORTEST_KEY}. Make one with "
            "secrets.token_urlsafe(32)"
        )
    return value


def signed(purpose: Purpose, payload: Mapping[str, Any], key: bytes) -> str:
    """Return a payload with its signature."""
    return seal(json.dumps(payload, separators=(",", ":"), sort_keys=True).encode(), key, _purpose(purpose))


def opened(purpose: Purpose, value: Any, keys: Sequence[bytes]) -> dict[str, Any]:
    """Return the payload of a signed text.

    Raises:
        NotVerifiedError: If none of the keys signed it for this purpose.
    """
    try:
        body = unseal(_checked(value), keys, _purpose(purpose))
    except ValueError:
        raise NotVerifiedError("it is not base64") from None
    if body is None:
        raise NotVerifiedError("no known key signed it")
    return _payload(body)


def claims_of(proof: str) -> Claims:
    """Return what an accepted ticket says. It is not verified again: a replay has no keys.

    Raises:
        ApplicationError: If it is no ticket.
    """
    try:
        return read_claims(_payload(parts_of(_checked(proof))[0]))
    except (NotVerifiedError, ValueError):
        raise not_verified() from None


def read_claims(payload: Mapping[str, Any]) -> Claims:
    """Return the claims in a ticket's payload.

    Raises:
        NotVerifiedError: If they are malformed.
    """
    try:
        claims = Claims(**payload)
        checked_name("the name", claims.person)
    except TypeError as error:
        raise NotVerifiedError(f"malformed: {error}") from None
    return claims


def ticket_of(claims: Claims, key: bytes) -> str:
    """Return the ticket with these claims."""
    return signed("ticket", asdict(claims), key)


def digest_of_request(value: Any) -> str:
    """Return the digest of a decision, or of a change of the policy: without its proof, and whose it is."""
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        value = {name: each for name, each in given.items() if name not in ("proof", "by")}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def checked_name(what: str, value: Any) -> str:
    """Return the name of a person, a group or a channel.

    Raises:
        NotVerifiedError: If it is no text that people can read: invisible characters could imitate another
            name.
    """
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_NAME:
        raise NotVerifiedError(f"{what} is no text of 1 to {_LONGEST_NAME} characters")
    if not all(is_visible(each) for each in value):
        raise NotVerifiedError(f"{what} has characters that cannot be seen")
    return value


def checked_groups(value: Any) -> list[str]:
    """Return the names of groups.

    Raises:
        NotVerifiedError: If they are no names, or too many.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise NotVerifiedError("the groups are no list")
    groups = [checked_name("a group", each) for each in cast("Sequence[Any]", value)]
    if len(groups) > _MOST_GROUPS:
        raise NotVerifiedError(f"there are {len(groups)} groups, and may be {_MOST_GROUPS}")
    return list(dict.fromkeys(groups))


def not_verified() -> ApplicationError:
    """Return the error that refuses a proof. It is the same for every cause."""
    return refusal(NOT_VERIFIED, NOT_PROVED)


def _purpose(purpose: Purpose) -> bytes:
    return f"strands-temporal-hitl {purpose} 1\n".encode()


def _checked(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LARGEST_SIGNED or value.count(".") != 1:
        raise NotVerifiedError("it is no signed text")
    return value


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise NotVerifiedError("it holds no JSON") from None
    if not isinstance(payload, dict):
        raise NotVerifiedError("it holds no object")
    return cast("dict[str, Any]", payload)
