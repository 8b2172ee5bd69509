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
from integration_tests.site_visits import LOOKS, broken, pages_of


def built(folder: Path, docs: Path, **settings: Any) -> Path:
    """Build a site of a folder of pages, without the API reference; return its folder."""
    site = folder / "site"
    settings = {"plugins": [], **settings}
    config = load_config(str(ROOT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(site), **settings)
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


PICTURE = """<picture>
  <source media="(prefers-color-scheme: dark)" srcset="{}">
  <img alt="A plot" src="../benchmarks/results.svg" width="300">
</picture>"""


def test_a_picture_for_each_scheme_follows_the_switch_of_the_site(tmp_path: Path) -> None:
    html = (one_page(tmp_path, PICTURE.format("../benchmarks/results.svg")) / "index.html").read_text()
    for scheme in ("light", "dark"):
        assert f'<img alt="A plot" src="repository/benchmarks/results.svg#only-{scheme}" width="300"' in html


def test_a_path_in_a_table_may_break_after_a_slash(tmp_path: Path) -> None:
    site = one_page(tmp_path, "`a/b.py`\n\n| file | `d/e` |\n|---|---|\n| `a/b/c.py` | x/y |\n")
    html = (site / "index.html").read_text()
    assert "<td><code>a/<wbr>b/<wbr>c.py</code></td>" in html
    assert "<code>a/b.py</code>" in html
    assert "<td>x/y</td>" in html


def test_a_page_without_faults_is_built(tmp_path: Path) -> None:
    site = one_page(tmp_path, "[file](../examples/hooks/workflow.py), [elsewhere](https://example.com)")
    assert "example.com" in (site / "index.html").read_text()


@pytest.mark.parametrize(
    ("page", "others"),
    [
        ("[gone](../examples/nobody)", {}),
        ("[gone](nobody.md)", {}),
        ("[no such part](#nobody)", {}),
        (PICTURE.format("nobody.webp"), {}),
        ("![from elsewhere](https://example.com/picture.png)", {}),
        ('<script src="//example.com/script.js"></script>', {}),
        ("fine", {"forgotten": "not in nav"}),
    ],
)
def test_what_is_wrong_fails_the_build(tmp_path: Path, page: str, others: dict[str, str]) -> None:
    with pytest.raises(Abort):
        one_page(tmp_path, page, **others)


@pytest.mark.slow  # downloads Chromium
@pytest.mark.timeout(900)
def test_each_page_fits_a_desktop_and_a_phone_in_a_real_browser(tmp_path: Path) -> None:
    site = built(tmp_path, ROOT / "docs", plugins=["search"])
    looks = [look for look in LOOKS if look.name in ("desktop-dark", "phone-light")]
    assert [fault for look in looks for fault in broken(site, pages_of(site), look)] == []


@pytest.mark.slow
def test_what_is_broken_is_seen(tmp_path: Path) -> None:
    wide = "<div style='width: 3000px'>wide</div>\n\n<img alt='none' src='nobody.png'>"
    (phone,) = (look for look in LOOKS if look.name == "phone-light")
    (tmp_path / "index.html").write_text(f"<article>{wide}</article>")
    faults = broken(tmp_path, ["index.html"], phone)
    for part in ("scrolls sideways to 3", "sticks out to 3", "no picture: nobody.png", "404"):
        assert any(part in fault for fault in faults), faults
