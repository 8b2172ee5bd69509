"""A service that another package brings for `strands-temporal dev`: a NATS server."""

import asyncio
import shutil
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

from .._wire.dev_services import DEV_SERVICES, DevService
from ..testing._supervisor import Supervised
from ._settings import CommandError

TIMEOUT = 30.0  # seconds until the service answers, on a loaded machine
_POLL = 0.05  # seconds


class ExtraService:
    """The service in a process of its own. It ends with this process, and its files with the block.

    Args:
        name: Name of the option, and of the entry point.
        package: What to install if the entry point is missing.

    Attributes:
        env: Variables by which others find it.
        url: Its address.
    """

    def __init__(self, name: str, package: str) -> None:
        self.env: dict[str, str] = {}
        self.url = ""
        self._name = name
        self._package = package

    async def __aenter__(self) -> "ExtraService":
        point = next(iter(entry_points(group=DEV_SERVICES, name=self._name)), None)
        if point is None:
            raise CommandError(f'--{self._name} needs a package: pip install "{self._package}"')
        self._folder = Path(tempfile.mkdtemp(prefix=f"strands-temporal-{self._name}-"))
        try:
            service: DevService = point.load()(self._folder)
            self._process = Supervised(service.command)
        except (ImportError, OSError) as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise CommandError(f"--{self._name}: {error}") from error
        try:
            await self._until_ready(service)
        except BaseException:  # a cancelled start leaves no process behind
            await self.__aexit__()
            raise
        self.env, self.url = service.env, service.url
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._process.end)
        shutil.rmtree(self._folder, ignore_errors=True)

    def check(self) -> None:
        """Notice that the service has died.

        Raises:
            CommandError: It has. The text has its last words.
        """
        if (code := self._process.wait(0)) is not None:
            raise CommandError(
                f"The {self._name} server ended with exit code {code}. {self._process.tail(3)}"
            )

    async def _until_ready(self, service: DevService) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not await asyncio.to_thread(service.is_ready):
            self.check()
            if time.monotonic() > deadline:
                raise CommandError(f"The {self._name} server did not answer for {TIMEOUT:.0f} s")
            await asyncio.sleep(_POLL)
