"""Write what each package brings along, as CycloneDX 1.5 JSON: `sbom.py FOLDER`. Needs only Python and uv.

uv exports the versions of uv.lock, which are those that the tests run with. Number and time of each file come
from its content and the last commit, so that the same commit gives the same files.
"""

import json
import os
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
UV = os.environ.get("UV", "uv")
EXPORT = ("export", "--quiet", "--locked", "--no-default-groups", "--preview-features", "sbom-export")


def main(folder: Path) -> None:
    """Write one file for each package."""
    folder.mkdir(parents=True, exist_ok=True)
    last_commit = int(output("git", "log", "-1", "--format=%ct"))
    for package in sorted(ROOT.glob("packages/*")):
        name = "strands-temporal" if package.name == "core" else f"strands-temporal-{package.name}"
        bom = settled(export(name), last_commit)
        file = folder / f"{name}-{bom['metadata']['component']['version']}.cdx.json"
        file.write_text(json.dumps(bom, indent=2) + "\n")


def export(name: str) -> dict[str, Any]:
    """Return the bill of materials of one package without its extras, as uv makes it."""
    return json.loads(output(UV, *EXPORT, "--format", "cyclonedx1.5", "--package", name))


def settled(bom: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Return a bill of materials with a time and a serial number that are the same each time.

    Args:
        bom: What uv made.
        seconds: When the last commit was made, in seconds since 1970.
    """
    time = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    bom = {**bom, "serialNumber": "", "metadata": {**bom["metadata"], "timestamp": time}}
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bom, sort_keys=True))
    return {**bom, "serialNumber": f"urn:uuid:{number}"}


def output(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]))
