#!/usr/bin/env bash
# The tools `use_llm` and `swarm` ask Bedrock, whatever model the calling agent has. Two similar tools ask the
# agent's model.
#
# Packages: strands-agents 1.62.0, strands-agents-tools 0.8.10. Tried on 2026-11-29.
# Guess: a tool that starts an agent inside an agent uses the caller's model, as `think` and `use_agent` of
# the same package do. A failure of the inner agents is a failed tool result.
# Instead: `use_llm` and `swarm` never ask the caller's model, and send their prompts to Bedrock (here to a
# local stand-in that answers 400). `swarm` then reports "success", with "Status.FAILED" somewhere in the
# text.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
uv venv -q "$tmp/v"
uv pip install -q --python "$tmp/v/bin/python" strands-agents==1.62.0 strands-agents-tools==0.8.10
cd "$tmp"
cat >"$tmp/try.py" <<'PY'
import json
import logging
import os
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

logging.disable()
warnings.simplefilter("ignore")
bedrock: list[str] = []
mine: list[str] = []


class Refuses(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        bedrock.append(self.path)
        body = json.dumps({"message": "there is no model here"}).encode()
        self.send_response(400)
        self.send_header("x-amzn-ErrorType", "ValidationException")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_REGION": "us-east-1"}
os.environ |= {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "HOME": os.getcwd()}

from strands import Agent  # noqa: E402
from strands.models import Model  # noqa: E402
from strands_tools import swarm, think, use_agent, use_llm  # noqa: E402


class Scripted(Model):
    def update_config(self, **config):
        pass

    def get_config(self):
        return {}

    async def structured_output(self, *args, **kwargs):
        raise NotImplementedError
        yield

    async def stream(self, *args, **kwargs):
        mine.append("asked")
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        yield {"contentBlockDelta": {"delta": {"text": "scripted"}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


agent = Agent(
    model=Scripted(),
    tools=[use_llm, swarm, think, use_agent],
    callback_handler=None,
    record_direct_tool_call=False,
)
seen = {}


def call(name: str, **arguments) -> None:
    bedrock.clear()
    mine.clear()
    result = getattr(agent.tool, name)(**arguments)
    seen[name] = len(mine), len(bedrock), result
    print(f"{name}: own model {len(mine)}, Bedrock {len(bedrock)} {bedrock}, {result['status']}", flush=True)


call("use_llm", prompt="Hello", system_prompt="Help.")
call("swarm", task="Hello", agents=[{"name": "helper", "system_prompt": "Help."}])
call("think", thought="Hello", cycle_count=1, system_prompt="Help.")
call("use_agent", prompt="Hello", system_prompt="Help.")
same = (
    all(seen[name][0] == 0 and seen[name][1] > 0 for name in ("use_llm", "swarm"))
    and all(seen[name][:2] == (1, 0) for name in ("think", "use_agent"))
    and seen["swarm"][2]["status"] == "success"
    and "Status.FAILED" in str(seen["swarm"][2]["content"])
)
print("as stated" if same else "CHANGED", flush=True)
os._exit(0 if same else 1)
PY
timeout 90 "$tmp/v/bin/python" "$tmp/try.py"
