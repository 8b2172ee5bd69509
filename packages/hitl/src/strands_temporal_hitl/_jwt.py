"""Verifies JSON Web Tokens, with keys that are given or read from a key server (JWKS)."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from ._errors import NotVerifiedError, UnknownKeyError
from ._people import Credential, Person
from ._sealed import SHORTEST_KEY

_PUBLIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_SECRET = ("HS256", "HS384", "HS512")
_LARGEST_KEYS = 1_000_000  # bytes of a key server's answer
_SECONDS = 10  # for the key server's answer
_LOCAL = ("127.0.0.1", "::1", "localhost")


class JWTVerifier:
    """Accepts bearer tokens that an identity provider signed. Needs the extra `identity` (PyJWT).

    A token needs an expiry, this issuer and this audience. Give one of `jwks_url`, `jwks` and `key`.

    Args:
        jwks_url: Address of the provider's keys, https. The worker reads them when it starts, at
            intervals, and when a token names a key that it does not know.
        jwks: The keys themselves: a JWKS, as an object or as JSON text.
        key: One public key (PEM), or with `algorithms=["HS256"]` a secret of at least 32 bytes.
        issuer: The provider (`iss`).
        audience: The name that the provider has for this use, or several of them (`aud`). Without it, a
            token for any other service would count.
        algorithms: The signatures that are accepted. "none" never is.
        name_claim: The claim with the person's name: one that people cannot change themselves.
        groups_claim: The claim with the list of groups.
        leeway: By how much clocks may differ.

    Raises:
        ImportError: If PyJWT is not installed.
        TypeError: If something is of a wrong type.
        ValueError: If there is no key, or several, an algorithm is unknown or does not fit the key, or the
            address is not https.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Sequence[str],
        jwks_url: str | None = None,
        jwks: Mapping[str, Any] | str | None = None,
        key: str | bytes | None = None,
        algorithms: Sequence[str] = ("RS256", "ES256", "EdDSA"),
        name_claim: str = "sub",
        groups_claim: str = "groups",
        leeway: timedelta = timedelta(seconds=10),
    ) -> None:
        _need_jwt()
        if not issuer or not audience:
            raise ValueError("JWTVerifier: issuer= and audience= may not be empty")
        if sum(each is not None for each in (jwks_url, jwks, key)) != 1:
            raise ValueError("JWTVerifier: give one of jwks_url=, jwks= and key=")
        self._algorithms = _checked_algorithms(algorithms)
        self._issuer = issuer
        self._audience = audience if isinstance(audience, str) else list(audience)
        self._name_claim, self._groups_claim = name_claim, groups_claim
        self._leeway = leeway
        self._url = None if jwks_url is None else _checked_url(jwks_url)
        self._key = None if key is None else _checked_key(key, self._algorithms)
        self._keys: list[Any] | None = None if jwks is None else _keys(jwks, self._algorithms)
        if key is None and any(each in _SECRET for each in self._algorithms):
            raise ValueError("JWTVerifier: HS256 and its like take a secret: key=. A JWKS is public")

    def verify(self, credential: Credential) -> Person:
        """See `Verifier`."""
        import jwt

        if credential.scheme != "bearer":
            raise NotVerifiedError("the scheme is not 'bearer'")
        try:
            header = jwt.get_unverified_header(credential.value)
            claims = self._claims(credential.value, header)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise NotVerifiedError(f"{type(error).__name__}: {error}") from None
        name, groups = claims.get(self._name_claim), claims.get(self._groups_claim, [])
        if not isinstance(name, str) or not name:
            raise NotVerifiedError(f"the claim {self._name_claim!r} is no text")
        return Person(name, [groups] if isinstance(groups, str) else groups)

    async def refresh(self) -> None:
        """Read the keys of the key server. The worker calls it."""
        if self._url is None:
            return
        import httpx

        async with (
            httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False) as http,
            http.stream("GET", self._url, headers={"accept": "application/json"}) as answer,
        ):
            answer.raise_for_status()
            body = b""
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST_KEYS:
                    raise ValueError(f"the key server's answer is above {_LARGEST_KEYS:,} bytes")
        self._keys = _keys(body.decode(), self._algorithms)

    def _claims(self, token: str, header: Mapping[str, Any]) -> dict[str, Any]:
        import jwt

        algorithm, id_ = header.get("alg"), header.get("kid")
        if algorithm not in self._algorithms:
            raise NotVerifiedError("the algorithm is not accepted")
        candidates = [self._key] if self._key is not None else self._of(algorithm, id_)
        last: Exception = UnknownKeyError("no key fits")
        for key in candidates:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[str(algorithm)],
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=self._leeway,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except jwt.InvalidSignatureError as error:  # noqa: PERF203  # another key may fit
                last = error
        raise last

    def _of(self, algorithm: object, id_: object) -> list[Any]:
        """Return the keys for a token. One that names no key may be signed by any of them."""
        if self._keys is None:
            raise UnknownKeyError("the keys were not read yet")
        fitting = [key for key in self._keys if key.algorithm_name == algorithm]
        if id_ is None:
            return fitting
        named = [key for key in fitting if key.key_id == id_]
        if not named:
            raise UnknownKeyError("no key has the id that the token names")
        return named


def _need_jwt() -> None:
    try:
        import jwt  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from cryptography.hazmat.primitives import hashes  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ImportError(
            "JWTVerifier needs PyJWT and cryptography. Install the extra: strands-temporal-hitl[identity]"
        ) from error


def _checked_algorithms(given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"JWTVerifier: algorithms={given!r} is no list. Write ['RS256']")
    found = list(cast("Sequence[Any]", given))
    for each in found:
        if each not in (*_PUBLIC, *_SECRET):
            raise ValueError(f"JWTVerifier: the algorithm {each!r} is unknown. Known: {[*_PUBLIC, *_SECRET]}")
    if not found:
        raise ValueError("JWTVerifier: algorithms= accepts nothing")
    if any(each in _SECRET for each in found) and any(each in _PUBLIC for each in found):
        raise ValueError(
            "JWTVerifier: algorithms= has one of a secret (HS...) beside one of a public key. With both, a "
            "public key could pass as the secret"
        )
    return found


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise ValueError(
            f"JWTVerifier: jwks_url={url!r} is not https. Whoever answers it chooses who may decide"
        )
    return url


def _checked_key(key: Any, algorithms: Sequence[str]) -> Any:
    if not isinstance(key, (str, bytes)):
        raise TypeError(f"JWTVerifier: key= is text or bytes, not {type(key).__name__}")
    value = key.encode() if isinstance(key, str) else key
    is_public = b"-----BEGIN" in value or value.startswith(b"ssh-")
    if algorithms[0] in _SECRET:
        if is_public:
            raise ValueError("JWTVerifier: key= is a public key, and algorithms= takes a secret")
        if len(value) < SHORTEST_KEY:
            raise ValueError(f"JWTVerifier: key= has {len(value)} bytes, and needs {SHORTEST_KEY}")
        return value
    if not is_public or b"PRIVATE" in value:
        raise ValueError("JWTVerifier: key= is no public key in PEM (-----BEGIN PUBLIC KEY-----)")
    return value


def _keys(given: Any, algorithms: Sequence[str]) -> list[Any]:
    """Return the usable keys of a JWKS, once for each algorithm that they may have."""
    import jwt

    try:
        value: Any = json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError) as error:
        raise ValueError(f"JWTVerifier: the keys are not JSON: {error}") from None
    listed: Any = cast("Mapping[str, Any]", value).get("keys") if isinstance(value, Mapping) else None
    if not isinstance(listed, list):
        raise ValueError('JWTVerifier: the keys are no JWKS: {"keys": [...]}')  # noqa: TRY004  # a key server's
    found: list[Any] = []
    for each in cast("list[Any]", listed):
        if not isinstance(each, Mapping):
            continue
        one = dict(cast("Mapping[str, Any]", each))
        if one.get("kty") == "oct" or one.get("use", "sig") != "sig":
            continue
        stated = one.get("alg")
        for algorithm in algorithms if stated is None else [a for a in algorithms if a == stated]:
            if not _fits(one, algorithm):
                continue
            try:
                found.append(jwt.PyJWK(one, algorithm))
            except (jwt.PyJWTError, ValueError, TypeError, KeyError):  # a key of a kind that we do not know
                continue
    return found


_KINDS = {"R": "RSA", "P": "RSA", "E": "EC"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def _fits(key: Mapping[str, Any], algorithm: str) -> bool:
    if algorithm == "EdDSA":
        return key.get("kty") == "OKP"
    if algorithm in _CURVES and key.get("crv") != _CURVES[algorithm]:
        return False
    return key.get("kty") == _KINDS[algorithm[0]]
