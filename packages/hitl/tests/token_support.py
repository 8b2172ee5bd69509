"""Shared by the tests of tokens: a real key server, and the tokens of its keys."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from strands_temporal_hitl import Credential
from strands_temporal_hitl.identity import JWTVerifier

ISSUER, AUDIENCE = "https://id.example.org/", "approvals"


class KeyServer:
    """An HTTP server with the public keys of an identity provider."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.reads = 0
        self.fails = False
        self.url = ""

    def make(self, kid: str, kind: str = "RS256") -> None:
        """Make a key."""
        if kind == "ES256":
            self.keys[kid] = ec.generate_private_key(ec.SECP256R1())
        else:
            self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> dict[str, Any]:
        keys: list[dict[str, Any]] = []
        for kid, key in self.keys.items():
            of: Any = ECAlgorithm if _kind(key) == "ES256" else RSAAlgorithm
            keys.append({**json.loads(of.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        return {"keys": keys}

    def token(self, name: str, *groups: str, kid: str | None = None, key: Any = None, **claims: Any) -> str:
        """Return a token that counts, apart from what is given."""
        kid = kid or next(iter(self.keys))
        key = key or self.keys[kid]
        given = {
            "sub": name,
            "groups": list(groups),
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": int(time.time()) + 300,
            **claims,
        }
        whole = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(whole, key, algorithm=_kind(key), headers={"kid": kid})

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["KeyServer"]:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            self.reads += 1
            status, body = ("500 Down", b"") if self.fails else ("200 OK", json.dumps(self.jwks()).encode())
            head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        async with server:
            yield self


def _kind(key: Any) -> str:
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"


def bearer(token: str) -> Credential:
    return Credential("bearer", token)


def jwt_verifier(keys: KeyServer, **options: Any) -> JWTVerifier:
    return JWTVerifier(jwks_url=keys.url, issuer=ISSUER, audience=AUDIENCE, **options)
