"""The data converter of a command line: a remote codec, or a converter from the user's own code.

A codec endpoint speaks the protocol of Temporal's own tools: `POST <endpoint>/encode` and `/decode` with
`Payloads` in protobuf's JSON (https://docs.temporal.io/codec-server).
"""

import dataclasses
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter, PayloadCodec

_OK, _REDIRECT = 200, 300
_TIMEOUT = 10.0  # seconds


class CodecEndpointError(Exception):
    """The codec endpoint did not encode or decode."""


class RemoteCodec(PayloadCodec):
    """Encodes and decodes at a codec endpoint.

    Args:
        endpoint: Its address, http or https; `{namespace}` in it becomes the namespace.
        namespace: Namespace of the workflows, sent to the endpoint in `X-Namespace`.
        auth: The `Authorization` header, if it needs one.

    Raises:
        ValueError: If `endpoint` is not an http(s) address.
    """

    def __init__(self, endpoint: str, namespace: str, auth: str | None = None) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _is_port(parts):
            raise ValueError(
                f"{endpoint!r} is not an http or https address. Write https://HOST:PORT, and its path if it "
                "has one"
            )
        self._endpoint = endpoint.replace("{namespace}", namespace).rstrip("/")
        self._where = f"{parts.scheme}://{parts.hostname}"  # the rest of it may be a secret
        self._headers = {"content-type": "application/json", "x-namespace": namespace}
        if auth:
            self._headers["authorization"] = auth

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return await self._post("encode", payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return await self._post("decode", payloads)

    async def _post(self, what: str, payloads: Sequence[Payload]) -> list[Payload]:
        import httpx  # not at the top: most commands need no HTTP client

        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT) as http:
                response = await http.post(
                    f"{self._endpoint}/{what}",
                    content=MessageToJson(Payloads(payloads=payloads)),
                    headers=self._headers,
                )
        except httpx.HTTPError as error:
            raise CodecEndpointError(
                f"{self._where} does not answer: {error or type(error).__name__}"
            ) from error
        if not _OK <= response.status_code < _REDIRECT:
            raise CodecEndpointError(f"{self._where} answers {response.status_code} to {what}")
        try:
            answer = Parse(response.text, Payloads(), ignore_unknown_fields=True)
        except ParseError as error:
            raise CodecEndpointError(f"{self._where} answers {what} without valid payloads") from error
        if len(answer.payloads) != len(payloads):
            raise CodecEndpointError(
                f"{self._where} answers {len(payloads)} payloads to {what} with {len(answer.payloads)}"
            )
        return list(answer.payloads)


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def chosen_data_converter(
    path: str | None, endpoint: str | None, auth: str | None, namespace: str
) -> DataConverter:
    """Return the data converter that the command line's options choose, by default temporalio's.

    Without the options for a codec, the environment variables of Temporal's tools count:
    TEMPORAL_CODEC_ENDPOINT, unless there is a `path`, and TEMPORAL_CODEC_AUTH.

    Args:
        path: `module:attribute` of a `DataConverter`; modules in the current directory are found.
        endpoint: Address of a codec endpoint.
        auth: Its `Authorization` header.
        namespace: Namespace of the workflows.

    Raises:
        ValueError: If the options are malformed, do not fit together, or name something that does not exist.
    """
    if auth and not endpoint and not os.environ.get("TEMPORAL_CODEC_ENDPOINT"):
        raise ValueError("--codec-auth is for a codec endpoint, and --codec-endpoint is not given")
    if not path:  # a converter may have a codec of its own
        endpoint = endpoint or os.environ.get("TEMPORAL_CODEC_ENDPOINT")
    auth = auth or os.environ.get("TEMPORAL_CODEC_AUTH")
    converter = DataConverter.default if path is None else _imported(path)
    if not endpoint:
        return converter
    if converter.payload_codec is not None:
        raise ValueError(f"--data-converter {path} has a codec of its own: leave --codec-endpoint out")
    try:
        return dataclasses.replace(converter, payload_codec=RemoteCodec(endpoint, namespace, auth))
    except ValueError as error:
        raise ValueError(f"--codec-endpoint {error}") from None


def _imported(path: str) -> DataConverter:
    module, _, attribute = path.partition(":")
    if not module or not attribute:
        raise ValueError(
            f"--data-converter {path!r} is not MODULE:ATTRIBUTE, as in my_company.temporal:data_converter"
        )
    here = str(Path.cwd())
    if here not in sys.path:  # an installed command does not look there by itself
        sys.path.insert(0, here)
    try:
        value: object = importlib.import_module(module)
    except Exception as error:  # a user's module may raise anything
        raise ValueError(
            f"--data-converter {path}: {module} cannot be imported ({type(error).__name__}: {error}). "
            f"Modules are looked for in {here} and where this Python has its packages"
        ) from error
    for name in attribute.split("."):
        if not hasattr(value, name):
            raise ValueError(f"--data-converter {path}: {module} has no {attribute}")
        value = getattr(value, name)
    if isinstance(value, DataConverter):
        return value
    raise ValueError(
        f"--data-converter {path} is a {type(value).__name__}, not a temporalio DataConverter. Name the one "
        "that the workers have: dataclasses.replace(pydantic_data_converter, payload_codec=...), for example"
    )
