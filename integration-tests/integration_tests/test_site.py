"""The documentation site: links into the repository work there, and what is wrong fails the build.

`make docs` builds all of it. These tests build small sites, and one of all pages without the API reference.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from integration_tests.doc_blocks import ROOT


def built(folder: Path, docs: Path, **settings: Any) -> Path:
    """Build a site of a folder of pages, without the API reference; return its folder."""
    site = folder / "site"
    config = load_config(
        str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(site), plugins=[], **settings
    )
    build(config)
    return site


def test_links_into_the_repository_lead_to_pages_that_show_it(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    with (docs / "guide.md").open("a") as page:
        page.write("\n[folder](../benchmarks), [file](../examples/hooks/workflow.py)")
        page.write("\n[part](../README.md#packages), ![picture](../benchmarks/results.svg)\n")
    site = built(tmp_path, docs)
    html = (site / "guide.html").read_text()
    for link in (
        "repository/benchmarks/index.html",
        "repository/examples/hooks/workflow.py.html",
        "repository/examples/index.html",  # examples/README.md
        "repository/index.html#packages",
        "repository/benchmarks/results.svg",
    ):
        assert f'"{link}"' in html
        assert (site / link.partition("#")[0]).is_file()
    assert "HooksWorkflow" in (site / "repository/examples/hooks/workflow.py.html").read_text()
    assert 'href="rows.py.html"' in (site / "repository/benchmarks/index.html").read_text()
    assert 'href="../models.html"' in (site / "repository/index.html").read_text()  # the README's own link


def one_page(folder: Path, text: str, **others: str) -> Path:
    """Build a site of the page `index.md`, with other pages that are not in nav."""
    docs = folder / "docs"
    docs.mkdir()
    for name, content in {"index": text, **others}.items():
        (docs / f"{name}.md").write_text(f"# Title\n\n{content}\n")
    return built(folder, docs, nav=["index.md"], extra_css=[])


def test_a_page_without_faults_is_built(tmp_path: Path) -> None:
    site = one_page(tmp_path, "[file](../examples/hooks/workflow.py), [elsewhere](https://example.com)")
    assert "example.com" in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("page", "others"),
    [
        ("[gone](../examples/nobody)", {}),
        ("[gone](nobody.md)", {}),
        ("[no such part](#nobody)", {}),
        ("![from elsewhere](https://example.com/picture.png)", {}),
        ('<script src="//example.com/script.js"></script>', {}),
        ("fine", {"forgotten": "not in nav"}),
    ],
)
def test_what_is_wrong_fails_the_build(tmp_path: Path, page: str, others: dict[str, str]) -> None:
    with pytest.raises(Abort):
        one_page(tmp_path, page, **others)
