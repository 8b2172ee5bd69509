"""Hooks of mkdocs.yml: links into the repository work on the site, and no page loads from another host.

A page of docs/ may link to any file or folder of the repository (`../examples/hooks`). On the site such a
link leads to a page that shows the file. It is made here, so the site needs neither the repository's address
nor a network.
"""

import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
SHOWN = "repository"
"""Folder of the site with the pages that show files of the repository."""

_LINK = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">\s*'
    r'<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)"(?: width="(?P<width>\d+)")?>\s*</picture>'
)
"""How a page writes a picture that is another one for dark schemes."""

_CELL = re.compile(r"<td\b.*?</td>", re.DOTALL)
_CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
_LANGUAGES = {".py": "python", ".sh": "bash", ".toml": "toml", ".yml": "yaml", ".json": "json"}
_PICTURES = {".svg", ".png", ".jpg", ".gif", ".webp"}
_LOADS_FROM_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)=[\"']?(?:https?:)?//[^>]*>"
)

log = logging.getLogger("mkdocs.hooks.site")  # a warning of a logger below "mkdocs" fails a strict build


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file of the repository that a page links to, directly or through another one."""
    pages = [
        (f"docs/{file.src_uri}", _light_and_dark(file.content_string)) for file in files.documentation_pages()
    ]
    wanted = {target for origin, text in pages for target in _linked(origin, text)}
    shown: set[str] = set()
    while wanted:
        target = wanted.pop()
        shown.add(target)
        if Path(target).suffix in _PICTURES:
            file = File.generated(config, f"{SHOWN}/{target}", abs_src_path=str(ROOT / target))
        else:
            text = _text(target)
            file = File.generated(config, _page(target), content=text)
            wanted |= {*_linked(_origin(file.src_uri), text)} - shown
        file.inclusion = InclusionLevel.NOT_IN_NAV
        files.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page that leave docs/ into links to the pages that `on_files` made."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        page.meta["search"] = {"boost": 0.5}  # a search finds what explains a thing first, then its API
    origin = _origin(uri)

    def rewritten(match: re.Match[str]) -> str:
        target = _target(origin, match["path"])
        if target is None:
            return match[0]
        path = target.removeprefix("docs/") if target.startswith("docs/") else _page(target)
        return posixpath.relpath(path, posixpath.dirname(uri)) + (match["anchor"] or "")

    return _LINK.sub(rewritten, _light_and_dark(markdown))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let paths in tables break after a slash: on a phone they would push the other columns out of sight."""
    return _CELL.sub(lambda cell: _CODE.sub(lambda code: code[0].replace("/", "/<wbr>"), cell[0]), html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Warn of anything that a browser would load from another host."""
    for match in _LOADS_FROM_ELSEWHERE.finditer(output):
        if "canonical" not in match[0]:
            log.warning("%s loads something from another host: %s", page.file.src_uri, match[0])
    return output


def _light_and_dark(markdown: str) -> str:
    """Turn HTML's pictures for light and dark schemes into two pictures, of which the theme shows one.

    A code host shows such HTML by the reader's system. The site has a switch, and mkdocs checks links of
    Markdown only.
    """

    def both(match: re.Match[str]) -> str:
        width = f'{{ width="{match["width"]}" }}' if match["width"] else ""
        return "\n".join(f"![{match['alt']}]({match[s]}#only-{s}){width}" for s in ("light", "dark"))

    return PICTURE.sub(both, markdown)


def _linked(origin: str, text: str) -> Iterator[str]:
    """Yield the files and folders outside of docs/ that a file of the repository links to."""
    for match in _LINK.finditer(text):
        target = _target(origin, match["path"])
        if target is not None and not target.startswith("docs/"):
            yield target


def _target(origin: str, link: str) -> str | None:
    """Return what a link leads to, as a path in the repository; None if it is missing (mkdocs reports that).

    A link to a folder leads to its README, if it has one.
    """
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    if target.startswith("..") or not (ROOT / target).exists():
        return None
    return f"{target}/README.md" if (ROOT / target / "README.md").exists() else target


def _origin(uri: str) -> str:
    """Return the path in the repository that the links of a page are relative to."""
    return uri.removeprefix(f"{SHOWN}/") if uri.startswith(f"{SHOWN}/") else f"docs/{uri}"


def _page(target: str) -> str:
    """Return the page of the site that shows a file or folder of the repository."""
    if Path(target).suffix in {".md", *_PICTURES}:
        return f"{SHOWN}/{target}"
    return f"{SHOWN}/{target}/index.md" if (ROOT / target).is_dir() else f"{SHOWN}/{target}.md"


def _text(target: str) -> str:
    """Return the text of that page. The site's search leaves it out."""
    path = ROOT / target
    if path.is_dir():
        entries = sorted(entry.name for entry in path.iterdir() if not entry.name.startswith(("_", ".")))
        body = "\n".join([f"# {target}", "", *(f"- [{entry}]({entry})" for entry in entries)])
    elif path.suffix == ".md":
        body = path.read_text()
    else:
        code = path.read_text()
        fence = "`" * (2 + max(map(len, re.findall("`+", code)), default=1))
        body = f"# {target}\n\n{fence}{_LANGUAGES.get(path.suffix, 'text')}\n{code}\n{fence}"
    return f"---\nsearch:\n  exclude: true\n---\n{body}\n"
