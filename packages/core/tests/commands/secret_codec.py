"""A codec of a user, with the data converter that the workers have."""

from collections.abc import Sequence
from dataclasses import replace

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadCodec


class SecretCodec(PayloadCodec):
    """Turns all bytes over."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/secret"}, data=_turned(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(_turned(payload.data))
            if payload.metadata["encoding"] == b"binary/secret"
            else payload
            for payload in payloads
        ]


def _turned(data: bytes) -> bytes:
    return bytes(byte ^ 255 for byte in data)


converter = replace(pydantic_data_converter, payload_codec=SecretCodec())
CONVERTER = f"{__name__}:converter"
"""What `--data-converter` takes."""
