"""A real NATS server with JetStream, for tests to kill and to start again."""

import asyncio
import shutil
import sys
from pathlib import Path

from integration_tests.real_parts import free_port
from packages.streaming.tests.streaming_support import WAIT


class NATSServer:
    """A NATS server on a free port of 127.0.0.1, with its files in `folder`. An async context manager.

    Args:
        folder: Folder for its files.
        options: More arguments of the program.
        jetstream: Whether it has JetStream.
    """

    def __init__(self, folder: Path, *options: str, jetstream: bool = True) -> None:
        self._folder = folder / "nats"
        self._options = (*(("-js", "-sd", str(self._folder)) if jetstream else ()), *options)
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> "NATSServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        program = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"
        self._process = await asyncio.create_subprocess_exec(
            program,
            *("-a", "127.0.0.1", "-p", str(self.port), *self._options),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await asyncio.wait_for(self._listens(), WAIT)

    async def kill(self) -> None:
        """End it at once, as a crash does."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def lose_files(self) -> None:
        """Remove what it has stored, while it is down."""
        shutil.rmtree(self._folder)

    async def _listens(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
