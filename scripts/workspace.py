"""The five packages as their files describe them, and the running of commands. For the other scripts."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
UV = os.environ.get("UV", "uv")
CORE = "strands-temporal"
VERSION = re.compile(r"\d+\.\d+\.\d+")
"""The form of a package's version."""


@dataclass(frozen=True)
class Package:
    """One package of the workspace.

    Args:
        folder: Its folder: `packages/<x>`.
        project: The table `[project]` of its pyproject.toml.
    """

    folder: Path
    project: dict[str, Any]

    @property
    def short(self) -> str:
        """The name of its folder, of its extra and in its tags."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The name of its distribution."""
        return self.project["name"]

    @property
    def version(self) -> str:
        """Its version."""
        return self.project["version"]

    @property
    def module(self) -> str:
        """The name of its module."""
        return self.name.replace("-", "_")

    @property
    def is_core(self) -> bool:
        """Whether this is the core, which has the others as extras."""
        return self.name == CORE

    def requirement(self, name: str) -> Requirement | None:
        """Return its requirement on a distribution, or None."""
        return find_requirement(self.project.get("dependencies", []), name)

    def extra_requirements(self, short: str) -> list[str]:
        """Return the requirements of an extra; none if it has no such extra."""
        return self.project.get("optional-dependencies", {}).get(short, [])


class Checkout:
    """The files and the tags that a release is made of.

    Args:
        root: The root of the checkout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.packages = read_packages(root)
        self.siblings = [package for package in self.packages if not package.is_core]
        [self.core] = [package for package in self.packages if package.is_core]

    @cached_property
    def tags(self) -> list[str]:
        """All tags."""
        return git(self.root, "tag", "--list").split()

    def released(self, package: Package) -> list[str]:
        """Return the versions of a package that have a tag, the newest first."""
        versions = [tag.partition("/v")[2] for tag in self.tags if tag.startswith(f"{package.short}/v")]
        return sorted(filter(VERSION.fullmatch, versions), key=Version, reverse=True)

    def is_due(self, package: Package) -> bool:
        """Tell whether the next release publishes a package: its version has no tag yet."""
        return package.version not in self.released(package)

    def read(self, package: Package, version: str, path: str) -> str | None:
        """Return a file of a package in this checkout or, if its version is another, at the tag; or None."""
        if version == package.version:
            file = package.folder / path
            return file.read_text() if file.exists() else None
        return self.show(f"{package.short}/v{version}", f"packages/{package.short}/{path}")

    def show(self, tag: str, path: str) -> str | None:
        """Return a file at a tag; None if missing."""
        return git(self.root, "show", f"{tag}:{path}") if git(self.root, "ls-tree", tag, path) else None


def find_requirement(requirements: list[str], name: str) -> Requirement | None:
    """Return the requirement on a distribution among `requirements`, or None."""
    found = [Requirement(text) for text in requirements]
    return next((one for one in found if canonicalize_name(one.name) == name), None)


def read_project(text: str) -> dict[str, Any]:
    """Return the table `[project]` of a pyproject.toml."""
    return tomlkit.parse(text).unwrap()["project"]


def read_packages(root: Path) -> list[Package]:
    """Return the packages in the order in which they are released: the siblings, then core."""
    files = sorted(root.glob("packages/*/pyproject.toml"))
    packages = [Package(file.parent, read_project(file.read_text())) for file in files]
    return sorted(packages, key=lambda package: package.is_core)


def repository_urls(address: str, package: Package) -> dict[str, str]:
    """Return the urls of a package in a repository on GitHub."""
    return {
        "Homepage": address,
        "Documentation": f"{address}/tree/main/docs",
        "Changelog": f"{address}/blob/main/packages/{package.short}/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def repository_address(root: Path) -> str:
    """Return the address that `[tool.strands-temporal]` of the root's pyproject.toml gives; empty if none."""
    table = tomlkit.parse((root / "pyproject.toml").read_text()).unwrap()["tool"]
    return re.sub(r"/+$", "", table["strands-temporal"]["repository"])


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def run(*command: str, cwd: Path, quiet: bool = False, umask: int = -1, **variables: str) -> None:
    """Run a command without the environment variables of the workspace and of make.

    Args:
        command: The command and its arguments.
        cwd: Where it runs.
        quiet: Whether only its errors are shown.
        umask: Its umask; -1 keeps this process's.
        variables: More environment variables.
    """
    left_out = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    # In an environment that lives for seconds, bytecode would cost more than it saves.
    environment |= {"UV_COMPILE_BYTECODE": "0", **variables}
    stdout = subprocess.DEVNULL if quiet else None
    subprocess.run(command, check=True, cwd=cwd, env=environment, umask=umask, stdout=stdout)
