#!/usr/bin/env bash
# OpenAIAgentsPlugin refuses a client that has Temporal's own pydantic converter; the order of plugins
# decides.
#
# Packages: temporalio 1.35.0, temporalio-openai-agents 1.1.0, openai-agents 0.22.3, pydantic 2.14.4. Tried on
# 2026-11-29.
# Guess: the plugin accepts the converter that Temporal recommends for pydantic models, or replaces it by its
# own. If two plugins that set a converter conflict, they conflict in either order.
# Instead: it raises ValueError, "The payload converter must be of type OpenAIPayloadConverter", also if
# another plugin before it sets the pydantic converter. In the other order there is no error: the other plugin
# silently replaces OpenAIAgentsPlugin's converter.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" temporalio==1.35.0 temporalio-openai-agents==1.1.0 openai-agents==0.22.3 pydantic==2.14.4
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import asyncio
import os

from temporalio.client import Client
from temporalio.contrib.openai_agents import OpenAIAgentsPlugin
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.plugin import SimplePlugin


class Other(SimplePlugin):
    def __init__(self) -> None:
        super().__init__("other", data_converter=pydantic_data_converter)


async def main() -> bool:
    cases = {
        "the plugin alone": {"plugins": [OpenAIAgentsPlugin()]},
        "the pydantic converter": {"plugins": [OpenAIAgentsPlugin()], "data_converter": pydantic_data_converter},
        "another plugin with it, before": {"plugins": [Other(), OpenAIAgentsPlugin()]},
        "another plugin with it, behind": {"plugins": [OpenAIAgentsPlugin(), Other()]},
    }
    outcomes = []
    for name, arguments in cases.items():
        try:
            client = await Client.connect("127.0.0.1:1", lazy=True, **arguments)  # it makes no connection
            outcome = client.data_converter.payload_converter_class.__name__
        except ValueError as error:
            outcome = f"ValueError: {error}"
        print(f"{name}: {outcome}", flush=True)
        outcomes.append(outcome)
    refused = "ValueError: The payload converter must be of type OpenAIPayloadConverter."
    return outcomes == ["OpenAIPayloadConverter", refused, refused, "PydanticPayloadConverter"]


same = asyncio.run(main())
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
