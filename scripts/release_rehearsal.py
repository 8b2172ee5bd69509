"""Rehearse a release: build twice, upload to an index on this machine, and install from there."""

import filecmp
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import IO, cast

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.errors import ExceptionGroup
from packaging.metadata import Metadata

from scripts import smoke
from scripts.workspace import ROOT, UV, Package, read_packages, run


def rehearse() -> None:
    """Build the last commit, upload it to a local index, and install it from there.

    Raises:
        SystemExit: Two builds differ, or a distribution is not in order.
    """
    with tempfile.TemporaryDirectory(prefix="strands-temporal-release-") as folder:
        work = Path(folder)
        packages = read_packages(ROOT)
        print("==> Building the last commit twice, from two clones", flush=True)
        dist = build(work / "one")
        compare(dist, build(work / "another-folder", umask=0o077, TZ="Asia/Tokyo"))
        smoke.check_contents(dist)
        check_metadata(dist)
        check_sboms(dist / "sbom")
        index = work / "index"
        with local_index(index) as address:
            for package in packages:
                publish(package, dist, index, address)
            # uv takes each package from the first index that has it: from this one, and all others from PyPI.
            source = ("--index", f"{address}/simple/")
            source += tuple(f"--refresh-package={package.name}" for package in packages)
            for extra, modules in smoke.EXTRAS.items():
                smoke.check(work, source, extra, modules)
            for package in packages:
                check_floors(package, work, source)


def build(folder: Path, umask: int = 0o022, **variables: str) -> Path:
    """Clone the last commit into `folder` and run `make build` there; return the folder of the results."""
    run("git", "clone", "--quiet", str(ROOT), str(folder), cwd=ROOT, umask=umask)
    run("make", "--silent", "build", cwd=folder, quiet=True, umask=umask, **variables)
    return folder / "dist"


def compare(one: Path, other: Path) -> None:
    """Check that two folders hold the same files with the same bytes.

    Raises:
        SystemExit: The folders differ. The message lists the files that differ.
    """
    files = {file.relative_to(root) for root in (one, other) for file in root.rglob("*") if file.is_file()}
    names = sorted(map(str, files))
    _, different, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    if different or missing:
        raise SystemExit(
            f"Two builds of one commit differ in {[*different, *missing]}. Unpack both and compare them: a "
            "build may use nothing but the files of the commit."
        )
    print(f"    {len(names)} files, twice the same", flush=True)


def check_metadata(dist: Path) -> None:
    """Validate the metadata of each wheel with `packaging.metadata`, as PyPI does.

    Raises:
        SystemExit: The metadata of a wheel is not valid. The message says why.
    """
    for wheel in dist.glob("*.whl"):
        archive = zipfile.ZipFile(wheel)
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        try:
            Metadata.from_email(archive.read(name), validate=True)
        except ExceptionGroup as group:
            reasons = "; ".join(map(str, group.exceptions))
            raise SystemExit(f"PyPI would refuse the metadata of {wheel.name}: {reasons}") from None


def check_sboms(folder: Path) -> None:
    """Validate each bill of materials with the schema of CycloneDX 1.5.

    Raises:
        SystemExit: A bill of materials is not valid. The message says why.
    """
    for file in sorted(folder.iterdir()):
        if error := JsonStrictValidator(SchemaVersion.V1_5).validate_str(file.read_text()):
            raise SystemExit(f"{file.name} is not valid CycloneDX 1.5: {error}")
        print(f"    {file.name}: valid", flush=True)


def publish(package: Package, dist: Path, index: Path, address: str) -> None:
    """Upload one package to the index at `address`, and check that the index has it.

    Raises:
        SystemExit: The index does not have the wheel and the source distribution as they were uploaded.
    """
    print(f"==> Uploading {package.name} to a local index", flush=True)
    files = [file.name for file in sorted(dist.glob(f"{package.module}-{package.version}*"))]
    anyone = ("--username", "anyone", "--password", "anything")
    options = (
        "--quiet",
        "--trusted-publishing",
        "never",
        "--no-attestations",
        "--keyring-provider",
        "disabled",
    )
    run(UV, "publish", *options, *anyone, "--publish-url", f"{address}/", *files, cwd=dist)
    same, _, _ = filecmp.cmpfiles(dist, index, files, shallow=False)
    if len(same) != 2:
        raise SystemExit(
            f"Of {files}, the local index has {same}: expected a wheel and a source distribution."
        )


def check_floors(package: Package, work: Path, source: tuple[str, ...]) -> None:
    """Install a package with the lowest versions of its own requirements, and use it.

    Raises:
        SystemExit: The package does not work with these versions. uv or Python has printed the error.
    """
    arguments = (*source, "--resolution", "lowest-direct", package.name, *package.project["dependencies"])
    modules = [] if package.is_core else [package.module]
    try:
        smoke.check_installed(work, arguments, f"{package.name} with the lowest versions it allows", modules)
    except subprocess.CalledProcessError:
        raise SystemExit(
            f"{package.name} does not work with the lowest versions it allows: the error is above. Raise the "
            f"floor that is too low, in packages/{package.short}/pyproject.toml."
        ) from None


@contextmanager
def local_index(folder: Path) -> Generator[str]:
    """Serve a package index on a free port of 127.0.0.1; yield its address.

    Args:
        folder: Folder in which the index keeps the uploaded files. This function creates it.

    Raises:
        SystemExit: The index does not start.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "scripts.local_index", str(folder)]
    server = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
    stdin, stdout = cast("IO[str]", server.stdin), cast("IO[str]", server.stdout)
    with stdin, stdout:
        try:
            yield stdout.readline().strip() or sys.exit("The local index did not start: its error is above.")
        finally:
            stdin.close()  # ends the server
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
