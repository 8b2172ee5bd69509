"""Write the urls of the five packages, from `[tool.strands-temporal]` of the root's pyproject.toml."""

from pathlib import Path

import tomlkit

from scripts.workspace import ROOT, read_packages, repository_address, repository_urls


def write_urls(root: Path) -> None:
    """Write `[project.urls]` of each package.

    Raises:
        SystemExit: No address is set.
    """
    address = repository_address(root)
    if not address:
        raise SystemExit(
            "Write the address to `repository` in [tool.strands-temporal] of pyproject.toml first."
        )
    for package in read_packages(root):
        file = package.folder / "pyproject.toml"
        document = tomlkit.parse(file.read_text())
        document["project"]["urls"] = repository_urls(address, package)
        file.write_text(tomlkit.dumps(document))


if __name__ == "__main__":
    write_urls(ROOT)
