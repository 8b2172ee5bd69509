"""Third-party wire emulators, and how to reach them.

aimock (npm) speaks the protocols of OpenAI (chat and Responses), Anthropic, Gemini and Ollama. Bedrock
needs a chain: WireMock (Maven) injects faults and counts requests, ministack (PyPI) speaks ConverseStream,
and a second aimock answers. All listen only on 127.0.0.1. ministack's MQTT port would listen on all
addresses, so it is off.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx

from integration_tests.real_parts import (
    java_command,
    maven_jar,
    node_command,
    npm_packages,
    python_environment,
    serving,
)

AIMOCK = {"@copilotkit/aimock": "1.43.0"}
MINISTACK = "ministack==1.5.33"
WIREMOCK_SHA256 = "bdf4c705e7fd61c778e59a19f75396eac4520efeabfac97643a53979bd4d5716"

RUN_HEADER = "X-Test-Id"
"""Header that names the run of a test, because faults are counted for each run."""

_FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Emulators:
    """The running emulators: their URLs, and the requests that they got.

    Attributes:
        aimock: URL for all providers except Bedrock.
        bedrock: URL for Bedrock.
        ministack: URL of ministack, which serves the requests to `bedrock`.
        transport: Connection pool for SDKs whose clients Strands leaves open.
        http: A client over `transport`.
        at_the_end: Closed together with the emulators.
    """

    aimock: str
    bedrock: str
    ministack: str
    transport: httpx.AsyncHTTPTransport
    http: httpx.AsyncClient
    at_the_end: AsyncExitStack

    async def expect_bedrock(self, run: str) -> None:
        """Set up Bedrock's faults for one run."""
        text = (_FIXTURES / "bedrock.json").read_text().replace("{ministack}", self.ministack)
        mappings: list[dict[str, Any]] = json.loads(text)["mappings"]
        for mapping in mappings:
            mapping["request"]["headers"] = {RUN_HEADER: {"equalTo": run}}
            if "scenarioName" in mapping:
                mapping["scenarioName"] += f" in {run}"
        await self._bedrock_admin("/mappings/import", {"mappings": mappings})

    async def requests(self, run: str) -> list[datetime]:
        """Return the arrival times of one run's requests."""
        journal = await self.http.get(f"{self.aimock}/__aimock/journal", params={"testId": run})
        times: list[float] = [entry["timestamp"] for entry in journal.raise_for_status().json()]
        query = {"headers": {RUN_HEADER: {"equalTo": run}}}
        found = (await self._bedrock_admin("/requests/find", query)).json()["requests"]
        times += [request["loggedDate"] for request in found]
        return [datetime.fromtimestamp(milliseconds / 1000, timezone.utc) for milliseconds in sorted(times)]

    async def relay_bedrock(self) -> None:
        """Relay every request without a fault to ministack."""
        everything = {"method": "ANY", "urlPattern": ".*"}
        proxy = {"priority": 9, "request": everything, "response": {"proxyBaseUrl": self.ministack}}
        await self._bedrock_admin("/mappings", proxy)

    async def _bedrock_admin(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return (await self.http.post(f"{self.bedrock}/__admin{path}", json=body)).raise_for_status()


@asynccontextmanager
async def emulators(scratch: Path) -> AsyncGenerator[Emulators]:
    """Install what is missing and run the emulators while the block runs.

    Args:
        scratch: An empty folder for their files.
    """
    jar = maven_jar("org.wiremock", "wiremock-standalone", "3.13.1", sha256=WIREMOCK_SHA256)
    python, java = python_environment(MINISTACK), java_command()
    async with AsyncExitStack() as stack:
        aimock = await stack.enter_async_context(_aimock("faults.json", "answers.json"))
        answering = await stack.enter_async_context(_aimock("answers.json"))
        ministack = await stack.enter_async_context(
            serving(
                lambda _: [python, "-m", "ministack"],
                BIND_HOST="127.0.0.1",
                GATEWAY_PORT="{port}",
                SERVICES="bedrock-runtime",
                IOT_MTLS_ENABLED="0",
                SFTP_ENABLED="0",
                MINISTACK_BEDROCK_PROXY_URL=answering,
            )
        )
        wiremock = [java, "-jar", str(jar), "--root-dir", str(scratch), "--disable-banner"]
        bedrock = await stack.enter_async_context(
            serving(
                lambda port: [*wiremock, "--bind-address", "127.0.0.1", "--port", str(port)],
                "/__admin/health",
            )
        )
        transport = httpx.AsyncHTTPTransport()
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
        running = Emulators(aimock, bedrock, ministack, transport, http, stack)
        await running.relay_bedrock()
        yield running


def _aimock(*fixtures: str) -> Any:
    node, _ = node_command()
    package = npm_packages(AIMOCK) / "@copilotkit" / "aimock"
    command = [node, str(package / "dist" / "cli.js"), "--validate-on-load", "--log-level", "warn"]
    for name in fixtures:  # the first match wins
        command += ["--fixtures", str(_FIXTURES / name)]
    return serving(
        lambda port: [*command, "--host", "127.0.0.1", "--port", str(port)],
        "/health",
        AIMOCK_STRICT_TURN_INDEX="1",
    )
