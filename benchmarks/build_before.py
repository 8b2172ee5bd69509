"""The build before streaming was made cheaper, to measure side by side: its sources, from git."""

import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMIT = "bd21f32bdf6b3f8c28dcb6e363819e1128ff17eb"
"""The last commit before."""


def sources_before(folder: Path) -> tuple[list[str], str]:
    """Return the folders for PYTHONPATH, or none and the reason."""
    git = shutil.which("git")
    if git is None:
        return [], "git was not found"
    with tempfile.TemporaryFile() as archive:
        command = [git, "-C", str(ROOT), "archive", COMMIT, "packages"]
        done = subprocess.run(command, stdout=archive, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            return [], f"commit {COMMIT[:7]} is not here: {done.stderr.decode().strip()[-200:]}"
        archive.seek(0)
        import tarfile

        with tarfile.open(fileobj=archive) as packed:
            packed.extractall(folder, filter="data")
    # All of them: each installed package's parts are loaded, and must fit this core.
    return sorted(str(source) for source in folder.glob("packages/*/src")), ""
