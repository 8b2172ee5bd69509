"""Earlier builds of this project, to measure side by side: their sources, from git."""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
TODAY = "bd21f32bdf6b3f8c28dcb6e363819e1128ff17eb"
"""The build with which rows compare: the last commit before streaming and agents were made cheaper."""


def sources(commit: str, folder: Path) -> tuple[list[str], str]:
    """Return the folders of a build for PYTHONPATH, or none and the reason.

    Args:
        commit: The build's commit.
        folder: Where to put it. If it is there from an earlier call, it is used again.
    """
    target = folder / commit[:12]
    if not target.exists():
        git = shutil.which("git")
        if git is None:
            return [], "git was not found"
        with tempfile.TemporaryFile() as archive:
            command = [git, "-C", str(ROOT), "archive", commit, "packages"]
            done = subprocess.run(command, stdout=archive, stderr=subprocess.PIPE, check=False)
            if done.returncode != 0:
                return [], f"commit {commit[:7]} is not here: {done.stderr.decode().strip()[-200:]}"
            archive.seek(0)
            with tarfile.open(fileobj=archive) as packed:
                packed.extractall(target, filter="data")
    # All of them: each installed package's parts are loaded, and must fit this core.
    return sorted(str(source) for source in target.glob("packages/*/src")), ""
