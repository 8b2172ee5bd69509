"""An ASGI app that lets requests with a verified bearer token pass, and no others."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ._errors import NotVerifiedError, UnknownKeyError
from ._people import Credential
from ._verifying import VerifierLike, checked_verifier

logger = logging.getLogger(__name__)

_AT_LEAST = 5.0
"""Seconds between two readings of keys, so that unknown tokens do not make the app busy."""


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """Return the bearer token in HTTP headers; None if there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class BearerGuard:
    """Answers 401 to HTTP requests without a token that a verifier accepts.

    Args:
        app: The app behind.
        verify: The verifiers; the first that accepts a token counts.
    """

    def __init__(self, app: Any, verify: VerifierLike | Sequence[VerifierLike]) -> None:
        many = isinstance(verify, Sequence)
        given: list[Any] = list(cast("Sequence[Any]", verify)) if many else [verify]
        if not given:
            raise ValueError("operator_app(verify=...): there is no verifier")
        self._app = app
        self._verifiers = [checked_verifier(each) for each in given]
        self._reading: asyncio.Task[None] | None = None
        self._read_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the app's lifespan."""
        if scope["type"] == "http":
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            if not await self._is_verified(bearer_of(headers)):
                await _refuse(send)
                return
        elif scope["type"] != "lifespan":
            return  # a websocket
        await self._app(scope, receive, send)

    async def _is_verified(self, token: str | None) -> bool:
        if token is None:
            return False
        if self._reading is None:
            await self._read_keys()
        found = await asyncio.to_thread(self._verify, token)
        if found is None:  # a key that is not known yet
            await self._read_keys()
            found = await asyncio.to_thread(self._verify, token)
        return bool(found)

    def _verify(self, token: str) -> bool | None:
        """Tell whether a verifier accepts a token; None if one of them may know its key later."""
        is_unknown = False
        for verifier in self._verifiers:
            try:
                verifier.verify(Credential("bearer", token))
            except UnknownKeyError:  # noqa: PERF203  # another verifier may accept it
                is_unknown = True
            except NotVerifiedError as error:
                logger.info("error=<%s> | a token is not accepted", error)
            except Exception as error:  # noqa: BLE001  # a user's verifier may raise anything: nobody is verified
                logger.warning("error=<%s> | a verifier failed", type(error).__name__)
            else:
                return True
        return None if is_unknown else False

    async def _read_keys(self) -> None:
        """Let the verifiers read their keys. All requests of that moment wait for the same reading."""
        if self._reading is None or (self._reading.done() and time.monotonic() - self._read_at > _AT_LEAST):
            self._read_at = time.monotonic()
            self._reading = asyncio.create_task(self._refresh())
        await asyncio.shield(self._reading)

    async def _refresh(self) -> None:
        for verifier in self._verifiers:
            refresh = getattr(verifier, "refresh", None)
            if refresh is not None:
                try:
                    await refresh()
                except Exception as error:  # noqa: BLE001  # without its keys it accepts nobody
                    logger.warning("error=<%s> | a verifier cannot read its keys", error)


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send(
        {"type": "http.response.body", "body": b"A bearer token is needed, and yours was not accepted"}
    )
