"""Fixtures of this package's tests."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from packages.streaming.tests.nats_server import NATSServer


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncGenerator[NATSServer]:
    """A NATS server of the test's own."""
    async with NATSServer(tmp_path) as server:
        yield server
