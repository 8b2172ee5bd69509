#!/usr/bin/env bash
# Temporal's default converter carries Strands' messages whole; the pydantic converter refuses images and
# drops keys.
#
# Packages: temporalio 1.35.0, strands-agents 1.62.0, pydantic 2.14.4. Tried on 2026-11-29.
# Guess: plain JSON has no bytes, so the default converter refuses an image. The pydantic converter, which
# knows the type `Message`, sends it as base64. With both converters all keys of a dictionary arrive.
# Instead: it is the other way round. The default converter writes the bytes as a list of numbers, and the
# type hint turns them into bytes again. That takes about 3.6 characters a byte, so some 590 kB reach the
# limit of 2 MiB. The pydantic converter raises PydanticSerializationError for a PNG, but accepts bytes that
# happen to be UTF-8. For the type `ToolResult` it silently drops `isError`, `structuredContent` and
# `metadata`, which Strands' MCP client adds.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 strands-agents==1.62.0 pydantic==2.14.4
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import asyncio
import sys

from strands.types.content import Message
from strands.types.tools import ToolResult
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter


def message(data: bytes) -> Message:
    return {"role": "user", "content": [{"image": {"format": "png", "source": {"bytes": data}}}]}


PNG = b"\x89PNG\r\n\x1a\n"
VALUES = {
    "a PNG's bytes": (message(PNG), Message),
    "bytes that are UTF-8": (message(b"GIF89a"), Message),
    "an MCP tool's result": (
        {
            "status": "error",
            "toolUseId": "call-1",
            "content": [{"text": "no such city"}],
            "structuredContent": {"code": 7},
            "isError": True,
            "metadata": {"server": "cities"},
        },
        ToolResult,
    ),
}


async def main() -> bool:
    outcomes = {}
    for name, converter in (("default", DataConverter.default), ("pydantic", pydantic_data_converter)):
        for what, (value, hint) in VALUES.items():
            try:
                [decoded] = await converter.decode(await converter.encode([value]), [hint])
                lost = sorted(set(value) - set(decoded))
                outcome = "whole" if decoded == value else f"lost: {lost}"
            except Exception as error:
                outcome = f"{type(error).__name__}: {error}"
            print(f"{name}, {what}: {outcome}")
            outcomes[name, what] = outcome
    [payload] = await DataConverter.default.encode([message(bytes(range(256)) * 1000)])
    size = len(payload.data) / 256_000
    print(f"default: {size:.2f} characters a byte")
    return list(outcomes.values()) == [
        "whole",
        "whole",
        "whole",
        "PydanticSerializationError: Error serializing to JSON: invalid utf-8 sequence of 1 bytes from index 0",
        "whole",
        "lost: ['isError', 'metadata', 'structuredContent']",
    ] and 3 < size < 4


same = asyncio.run(main())
print("as stated" if same else "CHANGED")
sys.exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
