"""Build the wheels, and install core alone and each extra alone into empty environments outside the tree.

Inside the workspace uv does not check version bounds between members, and a member can always import the
others. Only this script finds a package that cannot be installed, or one that uses a package it does not
declare.
"""

import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scripts.workspace import ROOT, UV, run

CHECK = ROOT / "scripts" / "smoke_check.py"
EXTRAS = {
    "": [],
    "mcp": ["strands_temporal_mcp"],
    "streaming": ["strands_temporal_streaming"],
    "otel": ["strands_temporal_otel"],
    "hitl": ["strands_temporal_hitl"],
    "web": ["strands_temporal_streaming"],
    "cli": [],
    "all": [
        "strands_temporal_mcp",
        "strands_temporal_streaming",
        "strands_temporal_otel",
        "strands_temporal_hitl",
    ],
}


def main() -> None:
    """Build and check."""
    with tempfile.TemporaryDirectory(prefix="strands-temporal-smoke-") as folder:
        work = Path(folder)
        wheels = work / "wheels"
        print("==> Building the wheels", flush=True)
        run(UV, "build", "--all-packages", "--wheel", "--quiet", "--out-dir", str(wheels), cwd=ROOT)
        check_contents(wheels)
        # In pairs: an installation and the use of what it brought keep one core busy.
        with ThreadPoolExecutor(2) as pool:
            for each in [
                pool.submit(check, work, ("--find-links", str(wheels)), *of) for of in EXTRAS.items()
            ]:
                each.result()


def check_contents(folder: Path) -> None:
    """Check that each wheel and source distribution holds its sources, licence and metadata, and no more.

    Raises:
        SystemExit: One of them lacks a file or has one more.
    """
    for file in sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")]):
        package, version = file.name.removesuffix(".tar.gz").split("-")[:2]
        [source] = ROOT.glob(f"packages/*/src/{package}")
        expected = {str(module.relative_to(source.parent)) for module in source.rglob("*.py")}
        expected |= {f"{package}/py.typed"}
        for folder_of_pages in ("_page/*", "_inbox/templates/*", "_inbox/assets/*"):
            expected |= {str(file.relative_to(source.parent)) for file in source.glob(folder_of_pages)}
        if file.suffix == ".whl":
            names = {name for name in zipfile.ZipFile(file).namelist() if not name.endswith("/")}
            about = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
            needed = {"METADATA", "WHEEL", "RECORD", "LICENSE"}
        else:
            with tarfile.open(file) as archive:
                members = [member.name for member in archive.getmembers() if member.isfile()]
            names = {name.removeprefix(f"{package}-{version}/").removeprefix("src/") for name in members}
            about = {name for name in names if "/" not in name}
            needed = {"PKG-INFO", "pyproject.toml", "README.md", "LICENSE"}
        missing = (expected - names) | (needed - {Path(name).name for name in about})
        extra = names - expected - about
        if missing or extra:
            sys.exit(f"{file.name}: missing {sorted(missing)}, too many {sorted(extra)}")
        print(f"    {file.name}: {len(expected)} files", flush=True)


def check(work: Path, source: tuple[str, ...], extra: str, modules: list[str]) -> None:
    """Install one extra into an empty environment, use its packages, and check that no other sibling came.

    Args:
        work: A folder for the environment.
        source: Options of `uv pip install` that say where the packages are.
        extra: The extra's name; empty for core alone.
        modules: The siblings' modules that it brings.
    """
    requirement = f"strands-temporal[{extra}]" if extra else "strands-temporal"
    check_installed(work, (*source, requirement), requirement, modules)


def check_installed(work: Path, arguments: tuple[str, ...], title: str, modules: list[str]) -> None:
    """Install with `arguments` into an empty environment, and use what `modules` names there."""
    print(f"==> {title}, alone", flush=True)
    venv = Path(tempfile.mkdtemp(prefix="venv-", dir=work))
    python = str(venv / "bin" / "python")
    run(UV, "venv", "--quiet", str(venv), cwd=work)
    run(UV, "pip", "install", "--quiet", "--python", python, *arguments, cwd=work)
    absent = [name for name in EXTRAS["all"] if name not in modules]
    (venv / "smoke_check.py").write_text(CHECK.read_text())
    command = "cli" if title.endswith(("[cli]", "[all]")) else "no-cli"
    run(python, "smoke_check.py", ",".join(modules), ",".join(absent), command, cwd=venv)


if __name__ == "__main__":
    main()
