"""Install uv into a folder of the user's cache, with nothing but Python: `bootstrap_uv.py FOLDER`."""

import subprocess
import sys
import venv
from pathlib import Path

MINIMUM = "uv>=0.9"


def main(folder: Path) -> None:
    """Make `FOLDER/bin/uv`.

    Raises:
        SystemExit: Neither a virtual environment nor `pip install --target` works. Says what to do.
    """
    binary = folder / "bin" / "uv"
    try:
        venv.create(folder, with_pip=True, clear=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", MINIMUM]
        subprocess.run(command, check=True)
    except (subprocess.CalledProcessError, OSError):
        # Debian's Python has no ensurepip, but it may have pip.
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), MINIMUM], check=False
        )
    if not binary.exists():
        raise SystemExit(
            f"uv could not be installed into {folder}: neither `python3 -m venv` nor `python3 -m pip` "
            "worked.\n"
            "Install uv yourself (https://docs.astral.sh/uv/getting-started/installation/) and run make "
            "again."
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
