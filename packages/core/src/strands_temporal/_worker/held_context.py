"""Completes a tool's context with the parts that the workflow held back, and keeps what arrives."""

import json
from collections.abc import Sequence
from typing import Any

from temporalio import activity

from .._errors import AgentTypeError
from .._wire.tool_context import HELD_PARTS, ToolContext
from .._wire.transcripts import KEPT_BYTES, canonical, held_digest
from .._wire.values import decode, encode, json_size
from .byte_cache import ByteCache
from .transcript_queries import TranscriptQueries

CACHE_BYTES = 8 * 1024 * 1024
"""Bytes of JSON of contexts that a worker keeps."""


class KeptContexts:
    """An LRU cache, bounded in bytes, of agent states and invocation states that tools got.

    Args:
        queries: Asks a workflow for what is not in the cache.
        max_bytes: Largest number of bytes of JSON to keep.
    """

    def __init__(self, queries: TranscriptQueries, max_bytes: int = CACHE_BYTES) -> None:
        self._queries = queries
        self._kept = ByteCache[tuple[str | None, str], bytes](max_bytes, len)

    async def complete(self, context: ToolContext, held: Sequence[Any] | None) -> None:
        """Put the parts that the workflow holds into the context of the activity that runs.

        Args:
            context: The context as it arrived.
            held: Number and digest of the parts, from the header; None if the context is complete.

        Raises:
            AgentTypeError: If `held` is no number and digest.
            ApplicationError: If the workflow did not return the parts (see `TranscriptQueries.ask`).
        """
        if held is None:
            self._keep_parts(context)
            return
        for name, value in (await self._parts(held)).items():
            if name in HELD_PARTS:
                setattr(context, name, decode(value))

    async def _parts(self, held: Sequence[Any]) -> dict[str, Any]:
        if [type(each) for each in held] != [int, str]:
            raise AgentTypeError(f"A tool's context cannot be read: {held!r} is no number and digest")
        key = (activity.info().workflow_run_id, held[1])
        data = self._kept.get(key)
        if data is not None:
            return json.loads(data)
        told: dict[str, Any] = await self._queries.held(held)
        self._kept.keep(key, canonical(told))
        return told

    def _keep_parts(self, context: ToolContext) -> None:
        parts = {name: encode(value) for name in HELD_PARTS if (value := getattr(context, name, None))}
        if json_size(parts) > KEPT_BYTES:  # as the workflow counts
            self._kept.keep((activity.info().workflow_run_id, held_digest(parts)), canonical(parts))
