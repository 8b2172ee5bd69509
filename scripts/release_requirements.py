"""Check what the packages require of each other: floors and caps on core, and core's extras."""

import ast
from collections.abc import Iterator
from functools import cache

from packaging.requirements import Requirement
from packaging.version import Version

from scripts.workspace import CORE, Checkout, Package, find_requirement


def cores_of_siblings(checkout: Checkout) -> Iterator[str]:
    """Check the floor and the cap of each sibling's requirement on core."""
    core = checkout.core
    cap = next_breaking(core.version)
    for package in checkout.siblings:
        where = f"packages/{package.short}/pyproject.toml"
        requirement = package.requirement(CORE)
        floor, ceiling = bounds(requirement) if requirement else (None, None)
        if floor is None or ceiling is None:
            yield f"{where} has no floor or no cap on {CORE}. Write '{CORE}>=<version>,<{cap}'."
            continue
        if ceiling != cap:
            yield (
                f"{where} requires {requirement}, and core is {core.version}. The cap is the next version "
                f"that may break its users: write '{CORE}>={floor},<{cap}', and bump {package.name} if "
                "it is released."
            )
        if floor != core.version and floor not in checkout.released(core):
            yield (
                f"{where} requires {requirement}, and {floor} is neither released nor the {core.version} of "
                "this checkout. Write a floor that exists."
            )
        elif absent := sorted(imports_from_core(package) - names_of_core(checkout, floor)):
            module, name = absent[0]
            yield (
                f"{package.name} imports {name} from {module}, which {CORE} {floor} does not have. Raise the "
                f"floor in {where} to the version that brings it."
            )


def extras(checkout: Checkout) -> Iterator[str]:
    """Check that core has an extra for each sibling, with a floor that exists and no cap."""
    core = checkout.core
    where = f"packages/{core.short}/pyproject.toml"
    every = find_requirement(core.extra_requirements("all"), CORE)
    for package in checkout.siblings:
        wanted = f"{package.name}>={package.version}"
        requirement = find_requirement(core.extra_requirements(package.short), package.name)
        if requirement is None:
            yield f'{where} has no extra for {package.name}. Add `{package.short} = ["{wanted}"]`.'
            continue
        floor, _ = bounds(requirement)
        if floor is None or len(requirement.specifier) != 1:
            yield (
                f"{where} requires {requirement}. An extra has a floor and no cap: the sibling's own cap on "
                f"core decides. Write '{wanted}'."
            )
        elif floor != package.version and floor not in checkout.released(package):
            yield (
                f"{where} requires {requirement}, and {floor} is neither released nor the {package.version} "
                "of this checkout. Write a floor that exists."
            )
        if every is None or package.short not in every.extras:
            yield f"{where} has an extra `all` without `{package.short}`. Add it."


def next_breaking(version: str) -> str:
    """Return the first version after `version` that may break users: 0.2 for 0.1.3, and 2 for 1.4.0."""
    parsed = Version(version)
    return f"0.{parsed.minor + 1}" if parsed.major == 0 else str(parsed.major + 1)


def bounds(requirement: Requirement) -> tuple[str | None, str | None]:
    """Return the floor (`>=`) and the cap (`<`) of a requirement; None for one that it lacks."""
    found = {specifier.operator: specifier.version for specifier in requirement.specifier}
    return found.get(">="), found.get("<")


def imports_from_core(package: Package) -> set[tuple[str, str]]:
    """Return what a package imports from core, as pairs of module and name."""
    files = package.folder.glob("src/**/*.py")
    return {each for file in files for each in _imports_from_core(file.read_text())}


@cache
def _imports_from_core(source: str) -> frozenset[tuple[str, str]]:
    if "from strands_temporal" not in source:
        return frozenset()
    return frozenset(
        (node.module or "", alias.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "strands_temporal"
        for alias in node.names
    )


def names_of_core(checkout: Checkout, version: str) -> set[tuple[str, str]]:
    """Return the names that siblings may import from a version of core, as pairs of module and name."""
    found: set[tuple[str, str]] = set()
    for module in ("", ".activity", ".extension", ".workflow"):
        path = "src/strands_temporal" + (module.replace(".", "/") or "/__init__")
        source = checkout.read(checkout.core, version, f"{path}.py") or ""
        found |= {(f"strands_temporal{module}", name) for name in public_names(source)}
        if module and source:
            found.add(("strands_temporal", module[1:]))
    return found


def public_names(source: str) -> set[str]:
    """Return the names in a module's `__all__`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return set()
