"""A conversation in pages, for a worker that asks for it by query."""

import base64
import dataclasses
import json
import math
import zlib
from collections.abc import Callable, Sequence
from typing import Any, cast

from .._wire.model_call import Transcript
from .._wire.transcripts import PAGE_HEADER, Frame, Item
from .._wire.values import encode, set_fields


class Pages:
    """What a call is about, for as long as the call is under way.

    Serialised and compressed only when a worker asks.

    Args:
        digest: Of what it is, in `WHOLE_DIGITS` digits.
        told: Returns it as encoded JSON, whole or (True) what is new against the call before.
    """

    def __init__(self, digest: str, told: Callable[[bool], Any]) -> None:
        self._digest = digest
        self._told = told
        self._packed: dict[bool, bytes] = {}

    @classmethod
    def of_conversation(
        cls, news: Transcript, messages: Sequence[Item], tools: Sequence[Item], frame: Frame
    ) -> "Pages":
        """Return the pages of a conversation.

        Args:
            news: The conversation against the one of the call before.
            messages: All messages.
            tools: All tool specs.
            frame: The whole frame.
        """

        def told(only_news: bool) -> Any:
            if only_news:
                return set_fields(news)
            whole = dataclasses.replace(
                news,
                messages=[encode(message.value) for message in messages],
                tools=[encode(tool.value) for tool in tools],
                frame=cast("dict[str, Any]", frame),
            )
            return set_fields(whole)

        return cls(news.digest, told)

    def page(self, number: int, news: bool, page_bytes: int) -> str:
        """Return page `number`, from 0: a header and a part of the compressed JSON, as base64.

        Args:
            number: The page.
            news: Give what is new, for a worker that kept the conversation of the call before.
            page_bytes: Compressed bytes of a page.
        """
        packed = self._packed.get(news)
        if packed is None:
            # The fastest level: a workflow may take two seconds for all it does at once.
            # Keys in their order: a provider's prompt cache takes another order for another prompt.
            told = json.dumps(self._told(news), separators=(",", ":"), ensure_ascii=False)
            packed = self._packed[news] = zlib.compress(told.encode(), 1)
        pages = math.ceil(len(packed) / page_bytes)
        chunk = packed[number * page_bytes : (number + 1) * page_bytes]
        return base64.b64encode(PAGE_HEADER.pack(pages, self._digest.encode()) + chunk).decode()
