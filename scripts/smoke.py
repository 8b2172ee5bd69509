"""Build the wheels, and install core alone and each extra alone into empty environments outside the tree.

Inside the workspace uv does not check version bounds between members, and a member can always import the
others. Only this script finds a package that cannot be installed, or one that uses a package it does not
declare.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = os.environ.get("UV", "uv")
CHECK = ROOT / "scripts" / "smoke_check.py"
EXTRAS = {
    "": [],
    "mcp": ["strands_temporal_mcp"],
    "streaming": ["strands_temporal_streaming"],
    "otel": ["strands_temporal_otel"],
    "hitl": ["strands_temporal_hitl"],
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
        for extra, modules in EXTRAS.items():
            check(work, wheels, extra, modules)


def check_contents(wheels: Path) -> None:
    """Check that each wheel holds its package's sources, its licence and its metadata, and nothing else.

    Raises:
        SystemExit: A wheel lacks a file or has one more.
    """
    for wheel in sorted(wheels.glob("*.whl")):
        package = wheel.name.partition("-")[0]
        [source] = ROOT.glob(f"packages/*/src/{package}")
        expected = {str(file.relative_to(source.parent)) for file in source.rglob("*.py")}
        expected |= {f"{package}/py.typed"}
        names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
        info = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
        needed = {"METADATA", "WHEEL", "RECORD", "LICENSE"}
        missing = (expected - names) | (needed - {Path(name).name for name in info})
        extra = names - expected - info
        if missing or extra:
            sys.exit(f"{wheel.name}: missing {sorted(missing)}, too many {sorted(extra)}")
        print(f"    {wheel.name}: {len(expected)} files", flush=True)


def check(work: Path, wheels: Path, extra: str, modules: list[str]) -> None:
    """Install one extra into an empty environment, use its packages, and check that no other sibling came."""
    requirement = f"strands-temporal[{extra}]" if extra else "strands-temporal"
    print(f"==> {requirement}, alone", flush=True)
    venv = work / f"venv-{extra or 'core'}"
    python = venv / "bin" / "python"
    run(UV, "venv", "--quiet", str(venv), cwd=work)
    run(
        UV,
        "pip",
        "install",
        "--quiet",
        "--python",
        str(python),
        "--find-links",
        str(wheels),
        requirement,
        cwd=work,
    )
    absent = [name for name in EXTRAS["all"] if name not in modules]
    (work / "smoke_check.py").write_text(CHECK.read_text())
    run(str(python), "smoke_check.py", ",".join(modules), ",".join(absent), cwd=work)


def run(*command: str, cwd: Path) -> None:
    """Run a command without the workspace's own environment variables."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    # In an environment that lives for seconds, bytecode would cost more than it saves.
    environment["UV_COMPILE_BYTECODE"] = "0"
    subprocess.run(command, check=True, cwd=cwd, env=environment)


if __name__ == "__main__":
    main()
