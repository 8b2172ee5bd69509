"""Splits a conversation into pages, for a worker that asks for it by query."""

import base64
import dataclasses
import json
import math
import zlib
from collections.abc import Callable
from typing import Any, cast

from .._wire.model_call import Transcript
from .._wire.transcripts import PAGE_HEADER, Frame, Items
from .._wire.values import encode, set_fields


class Pages:
    """The conversation of a call in progress, or a value that the workflow holds for the call.

    The content is serialised and compressed only when a worker asks.

    Args:
        digest: Digest of the content, in `WHOLE_DIGITS` digits.
        told: Returns the content as encoded JSON. Its argument is True for the delta against the previous
            call, and False for the whole content.
    """

    def __init__(self, digest: str, told: Callable[[bool], Any]) -> None:
        self._digest = digest
        self._told = told
        self._packed: dict[bool, bytes] = {}

    @classmethod
    def of_conversation(cls, news: Transcript, messages: Items, tools: Items, frame: Frame) -> "Pages":
        """Return the pages of a conversation.

        Args:
            news: The conversation as a delta against the previous call's.
            messages: All messages.
            tools: All tool specs.
            frame: The whole `Frame`: system prompt, session id, output class.
        """

        def told(only_news: bool) -> Any:
            if only_news:
                return set_fields(news)
            whole = dataclasses.replace(
                news,
                messages=encode(messages.values),
                tools=encode(tools.values),
                frame=cast("dict[str, Any]", frame),
            )
            return set_fields(whole)

        return cls(news.digest, told)

    def page(self, number: int, news: bool, page_bytes: int) -> str:
        """Return page `number`, from 0: a header and a part of the compressed JSON, as base64.

        Args:
            number: The page's number.
            news: Return only the delta, for a worker that kept the previous call's conversation.
            page_bytes: Compressed bytes of a page.
        """
        packed = self._packed.get(news)
        if packed is None:
            # The fastest level: a workflow task has two seconds in total. Keep the order of keys: a
            # provider's prompt cache treats a different order as a different prompt.
            told = json.dumps(self._told(news), separators=(",", ":"), ensure_ascii=False)
            packed = self._packed[news] = zlib.compress(told.encode(), 1)
        pages = math.ceil(len(packed) / page_bytes)
        chunk = packed[number * page_bytes : (number + 1) * page_bytes]
        return base64.b64encode(PAGE_HEADER.pack(pages, self._digest.encode()) + chunk).decode()
