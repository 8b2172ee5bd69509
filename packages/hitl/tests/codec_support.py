"""Encrypted workflows for tests: a codec, its data converter, and a codec server."""

import hashlib
import hmac
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

from google.protobuf.json_format import MessageToDict, ParseDict
from integration_tests.http_server import QuietHandler, serving
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec

AUTH = "Bearer let-me-in"
_KEY = b"a key for tests"


class Sealing(PayloadCodec):
    """Encrypts well enough for a test: nobody can read or change a payload without the key."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self.seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self.open(payload) for payload in payloads]

    def seal(self, payload: Payload) -> Payload:
        plain = payload.SerializeToString()
        data = hmac.digest(_KEY, plain, "sha256") + _crypt(plain)
        return Payload(metadata={"encoding": b"binary/encrypted"}, data=data)

    def open(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != b"binary/encrypted":
            return payload
        plain = _crypt(payload.data[32:])
        if not hmac.compare_digest(payload.data[:32], hmac.digest(_KEY, plain, "sha256")):
            raise ValueError("sealed with another key")
        return Payload.FromString(plain)


def _crypt(data: bytes) -> bytes:
    stream = b""
    for number in count():
        if len(stream) >= len(data):
            break
        stream += hashlib.sha256(_KEY + number.to_bytes(4, "big")).digest()
    return bytes(one ^ other for one, other in zip(data, stream, strict=False))


encrypted_data_converter = replace(pydantic_data_converter, payload_codec=Sealing())
not_a_data_converter = "text"


@dataclass
class CodecServer:
    """A codec server that runs as long as a block does.

    Attributes:
        address: Its address.
        asked: Its requests: path and namespace.
        answer: If not None, the status and the body with which the server answers, instead of payloads.
    """

    address: str
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    answer: tuple[int, bytes] | None = None


@contextmanager
def codec_server() -> Generator[CodecServer]:
    codec = Sealing()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            told.asked.append((self.path, self.headers["x-namespace"]))
            status, answer = told.answer or self._payloads(self.body())
            self.answer(status, "application/json", answer)

        def _payloads(self, body: bytes) -> tuple[int, bytes]:
            if self.headers["authorization"] != AUTH:
                return 401, b"who are you?"
            if self.headers["content-type"] != "application/json":
                return 415, b"what is that?"
            change = codec.seal if self.path.endswith("/encode") else codec.open
            given = ParseDict(json.loads(body), Payloads())
            changed = Payloads(payloads=[change(payload) for payload in given.payloads])
            return 200, json.dumps(MessageToDict(changed)).encode()

    with serving(Handler) as address:
        told = CodecServer(address)
        yield told
