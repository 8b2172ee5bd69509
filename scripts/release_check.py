"""Check what a release needs: `make release-check`. docs/releasing.md has the steps of a release.

Each check looks at one subject in the files and tags of a checkout. It yields a sentence for each mistake,
which says what to do. Then the release is rehearsed (`release_rehearsal.py`).
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from packaging.version import Version
from trove_classifiers import classifiers as known_classifiers

from scripts.release_rehearsal import rehearse
from scripts.release_requirements import cores_of_siblings, extras
from scripts.workspace import (
    ROOT,
    VERSION,
    Checkout,
    Package,
    git,
    read_project,
    repository_address,
    repository_urls,
)

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
"""The Pythons that `make test-all` runs the unit tests on."""

CLASSIFIERS = {
    *(f"Programming Language :: Python :: {version}" for version in PYTHONS),
    "Framework :: AsyncIO",
    "Intended Audience :: Developers",
    "Operating System :: POSIX :: Linux",
    "Typing :: Typed",
}
"""Classifiers of each package, besides those for its status and its topics."""

SHIPPED = ("src", "pyproject.toml", "README.md", "LICENSE")
"""Files and folders of a package that are in its distributions."""


def problems(root: Path) -> list[str]:
    """Return a sentence for each mistake that keeps a checkout from being released."""
    checkout = Checkout(root)
    checks = (address, metadata, licences, tags, versions, changelogs, cores_of_siblings, extras, uncommitted)
    return [sentence for check in checks for sentence in check(checkout)]


def address(checkout: Checkout) -> Iterator[str]:
    """Check that the repository's address is set, and that the packages have it."""
    given = repository_address(checkout.root)
    if not given:
        yield (
            "No repository address is set. Write it to `repository` in [tool.strands-temporal] of "
            "pyproject.toml, then run `make urls`."
        )
    elif not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", given):
        yield (
            f"The repository address {given!r} in pyproject.toml is not of the form "
            "https://github.com/<owner>/<name>. Correct it, then run `make urls`."
        )
    else:
        for package in checkout.packages:
            if package.project.get("urls") != repository_urls(given, package):
                yield f"The urls of {package.name} are not those of {given}. Run `make urls`."


def metadata(checkout: Checkout) -> Iterator[str]:
    """Check what PyPI shows of each package, and that the packages agree."""
    for package in checkout.packages:
        where = f"packages/{package.short}/pyproject.toml"
        given = set(package.project.get("classifiers", []))
        for unknown in sorted(given - known_classifiers):
            yield f"{where} has the classifier {unknown!r}, which PyPI does not know. Correct it."
        for old in sorted(one for one in given if one.startswith("License ::")):
            yield f"{where} has the classifier {old!r}. Remove it: `license` replaces it."
        for missing in sorted(CLASSIFIERS - given):
            yield f"{where} lacks the classifier {missing!r}. Add it."
        if not any(one.startswith("Development Status ::") for one in given):
            yield f"{where} lacks a classifier for its Development Status. Add one."
        for key in ("description", "keywords", "readme"):
            if not package.project.get(key):
                yield f"{where} lacks `{key}`. Add it."
        for key in ("requires-python", "license", "license-files"):
            own, cores = package.project.get(key), checkout.core.project.get(key)
            if own != cores:
                yield f"{where} has {key} = {own!r}, and core has {cores!r}. Make them the same."


def licences(checkout: Checkout) -> Iterator[str]:
    """Check that each package has the project's licence."""
    text = (checkout.root / "LICENSE").read_text()
    for package in checkout.packages:
        file = package.folder / "LICENSE"
        if not file.exists() or file.read_text() != text:
            yield f"packages/{package.short}/LICENSE is not the project's LICENSE. Copy that file there."


def tags(checkout: Checkout) -> Iterator[str]:
    """Check that each tag of a version names a package, and marks a commit with that version."""
    packages = {package.short: package for package in checkout.packages}
    for tag in checkout.tags:
        found = re.search(r"\d+\.\d+\.\d+$", tag)
        if found is None:
            continue
        package = packages.get(tag.removesuffix(f"/v{found[0]}"))
        if package is None:
            yield (
                f"The tag {tag!r} is a version but names no package. Delete it, and use <x>/v{found[0]}, "
                f"where <x> is one of {', '.join(sorted(packages))}."
            )
            continue
        project = checkout.show(tag, f"packages/{package.short}/pyproject.toml")
        marked = read_project(project)["version"] if project else "missing"
        if marked != found[0]:
            yield (
                f"The tag {tag!r} marks a commit whose {package.name} is {marked}. Delete the tag, and set "
                f"it on the commit that {found[0]} was built from."
            )


def versions(checkout: Checkout) -> Iterator[str]:
    """Check that each version is a new one, or that nothing changed since its tag."""
    for package in checkout.packages:
        bump = f"Run `uv version --package {package.name} --bump minor` (or `patch`)."
        given = f"{package.name} {package.version}"
        if not VERSION.fullmatch(package.version):
            yield f"{given} is not a version of the form 1.2.3. {bump}"
            continue
        released = checkout.released(package)
        if released and Version(package.version) < Version(released[0]):
            yield f"{given} is older than {released[0]}, which is released. {bump}"
        elif not checkout.is_due(package):
            tag = f"{package.short}/v{package.version}"
            paths = [f"packages/{package.short}/{path}" for path in SHIPPED]
            if changed := git(checkout.root, "diff", "--name-only", tag, "--", *paths).split():
                yield f"{given} is released, but {changed[0]} has changed since the tag {tag}. {bump}"


def changelogs(checkout: Checkout) -> Iterator[str]:
    """Check that what is released has its section in the changelog, with all lines that were unreleased."""
    for package in checkout.packages:
        where = f"packages/{package.short}/CHANGELOG.md"
        parts = re.split(r"^## (.+)\n", (package.folder / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
        sections = dict(zip(parts[1::2], parts[2::2], strict=True))
        numbers = {title.partition(" ")[0] for title in sections}
        for version in checkout.released(package):
            if version not in numbers:
                yield f"{where} lost its section for {version}, which is released. Restore it."
        if checkout.is_due(package):
            yield from _due_changelog(where, package, sections)


def _due_changelog(where: str, package: Package, sections: dict[str, str]) -> Iterator[str]:
    wanted = f"'## {package.version} - {date.today().isoformat()}'"
    own = [title for title in sections if title.partition(" ")[0] == package.version]
    unreleased = [
        title for title, text in sections.items() if title.startswith("Unreleased") and _lines(text)
    ]
    if unreleased and not own:
        yield f"{where} has no section for {package.version}. Rename '## {unreleased[0]}' to {wanted}."
        return
    if not own:
        yield f"{where} has no section for {package.version}. Add {wanted}, with what changes for users."
        return
    if unreleased:
        yield (
            f"{where} has lines under '## {unreleased[0]}', which the release of {package.version} would "
            f"leave out. Move them to '## {own[0]}'."
        )
    first = next(title for title in sections if not title.startswith("Unreleased"))
    if first != own[0]:
        yield f"{where} has '## {first}' above '## {own[0]}'. Move the section of this release to the top."
    if not _lines(sections[own[0]]):
        yield f"{where} has no line under '## {own[0]}'. Write there what changes for users."
    if not _is_date(own[0].removeprefix(f"{package.version} - ")):
        yield f"{where} has no date in '## {own[0]}'. Write {wanted}."


def _lines(section: str) -> list[str]:
    return re.findall(r"^- .+", section, re.MULTILINE)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def uncommitted(checkout: Checkout) -> Iterator[str]:
    """Check that nothing is left out of the commit that the release is built from."""
    if changed := git(checkout.root, "status", "--porcelain").splitlines():
        yield f"{changed[0][3:]} is not committed. Commit it, or remove it: a release is built from a commit."


def plan(checkout: Checkout) -> list[str]:
    """Return the commands that publish what is due, in their order."""
    return [
        command
        for package in checkout.packages
        if checkout.is_due(package)
        for command in (
            f"uv publish dist/{package.module}-{package.version}*",
            f"git tag {package.short}/v{package.version}",
        )
    ]


def main() -> None:
    """Check the checkout, then rehearse its release.

    Raises:
        SystemExit: Something must be corrected before a release. The rehearsal ran all the same.
    """
    found = problems(ROOT)
    print(f"==> Files and tags: {len(found) or 'no'} mistakes", flush=True)
    for sentence in found:
        print(f"    - {sentence}", flush=True)
    try:
        rehearse()
    except subprocess.CalledProcessError as error:
        sys.exit(f"The rehearsal stopped: the error of {shlex.join(error.cmd)} is above.")
    if found:
        sys.exit(
            f"The rehearsal worked, but {len(found)} mistakes must be corrected: see the list at the top."
        )
    print("==> Ready. To publish, in this order:", "make build", *plan(Checkout(ROOT)), sep="\n    ")


if __name__ == "__main__":
    main()
