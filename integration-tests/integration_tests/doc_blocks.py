"""The code blocks of pages, and checks of the shell commands in them."""

import contextlib
import importlib.util
import io
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from strands_temporal._commands._app import command as app_command
from strands_temporal._commands._settings import Settings
from strands_temporal.testing import find_server_binary
from strands_temporal_hitl import _cli as hitl_cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
]
"""The pages whose Python runs, and whose links are checked."""

OTHER_READMES = [*sorted(ROOT.glob("examples/**/README.md")), ROOT / "findings" / "README.md"]

COMMAND_LANGUAGES = ("bash", "sh", "shell", "console")


class Block(NamedTuple):
    """A code block.

    Attributes:
        page: The page that it is on.
        line: Number of its first line.
        language: What its fence says; "" for an indented block, and for a fence that says nothing.
        text: Its text, without the indentation.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command; none for a block that holds no commands."""
        lines = re.sub(r"\\\n\s*", " ", self.text).splitlines()
        if any(line.startswith("$ ") for line in lines):  # the others are what the commands print
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        words = [found for line in lines if (found := _words(line))]
        if self.language in COMMAND_LANGUAGES:
            return words
        known = self.language == "" and words and all(found[0] in CHECKS for found in words)
        return words if known else []


def _words(line: str) -> list[str]:
    """Return the words of a command, without the variables that are set for it."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # an apostrophe: not a command
        return [line]
    return list(dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words))


def blocks_of(page: Path, part: str | None = None) -> Iterator[Block]:
    """Yield the code blocks of a page: between fences, or indented by four spaces below an empty line.

    Args:
        page: The page.
        part: A part of its text, by default all of it. Lines count from its beginning.
    """
    lines = (page.read_text() if part is None else part).splitlines()
    at = 0
    while at < len(lines):
        start = at
        if fence := re.match(r"( *)(`{3,}|~{3,})\s*(\w*)", lines[at]):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == fence[2])
            yield Block(page, start + 2, fence[3], "\n".join(lines[start + 1 : end]))
            at = end + 1
        elif (
            lines[at].startswith("    ")
            and (at == 0 or not lines[at - 1].strip())
            and not _in_list(lines, at)
        ):
            body = list(takewhile(lambda line: not line or line.startswith("    "), lines[at:]))
            yield Block(page, start + 1, "", "\n".join(line[4:] for line in body).strip())
            at += len(body)
        else:
            at += 1


def _in_list(lines: Sequence[str], at: int) -> bool:
    before = next((line for line in reversed(lines[:at]) if line and not line.startswith(" ")), "")
    return bool(re.match(r"[-*] |\d+\. ", before))


def check_command(words: list[str]) -> None:
    """Check a command as far as that is possible without its effects.

    Raises:
        AssertionError: It cannot work: what it names does not exist, or it has an option that is not known.
    """
    program, *arguments = words
    check = CHECKS.get(program)
    assert check, f"no check for {program!r}: add one to CHECKS in {Path(__file__).name}"
    check(arguments)


def _make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for argument in arguments:
        name, is_variable, _ = argument.partition("=")
        known = f"$({name})" in makefile or f"$(if $({name})" in makefile
        if is_variable:
            assert known, f"the Makefile does not read {name}"
        else:
            assert re.search(rf"^{re.escape(name)}:", makefile, re.MULTILINE), f"no target {name}"


def _install(arguments: list[str]) -> None:
    for argument in arguments[1:]:
        if argument.startswith(("-", ".")):
            continue
        requirement = Requirement(argument)
        extras = metadata.metadata(requirement.name).get_all("Provides-Extra") or []
        assert requirement.extras <= set(extras), f"{argument}: the extras are {extras}"


def _python(arguments: list[str]) -> None:
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
        return
    if arguments[0] != "-m":
        assert arguments[0].endswith(".py"), arguments  # a file that the page shows
        return
    module, *rest = arguments[1:]
    spec = importlib.util.find_spec(module)
    assert spec, f"no module {module}"
    if spec.submodule_search_locations:
        assert importlib.util.find_spec(f"{module}.__main__"), f"{module} is no program"
    else:
        assert "__main__" in Path(spec.origin or "").read_text(), f"{module} is no program"
    if module == "strands_temporal_hitl":
        _approvals(rest)


def _approvals(arguments: list[str]) -> None:
    parser = hitl_cli._parser()  # pyright: ignore[reportPrivateUsage]  # `main` would connect
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            parser.parse_args(arguments)
        except SystemExit:
            raise AssertionError(said.getvalue()) from None


def _strands_temporal(arguments: list[str]) -> None:
    """Parse the arguments as the script does, without running the command."""
    command: Any = app_command()
    rest = list(arguments)
    while hasattr(command, "commands"):
        names = [word for word in rest if word in command.commands]
        if not names:
            assert all(word.startswith("-") for word in rest), f"no command in {arguments}"
            return
        rest.remove(names[0])
        command = command.commands[names[0]]
    context = command.make_context("strands-temporal", rest, obj=Settings())
    context.close()


def _echo(arguments: list[str]) -> None:
    check_command(arguments[arguments.index("|") + 1 :])


def _temporal(arguments: list[str]) -> None:
    """Check the sub-command and its flags by its own `--help`, which reads both and does nothing."""
    binary, _ = find_server_binary()
    names = list(takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), arguments))
    done = subprocess.run(
        [binary, *arguments, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    usage = done.stdout.partition("Usage:\n")[2].strip().splitlines()[0]
    assert usage.split("[")[0].split() == ["temporal", *names], usage


def _uv(arguments: list[str]) -> None:
    if arguments[:1] == ["run"]:
        check_command(arguments[1:])
    elif arguments[:2] == ["pip", "install"]:
        _install(arguments[1:])
    else:
        assert arguments[0] in ("add", "sync", "lock"), arguments
        if arguments[0] == "add":
            _install(arguments)


def _pytest(arguments: list[str]) -> None:
    for argument in arguments:
        assert "/" not in argument or (ROOT / argument).exists(), f"no {argument}"


def _file(arguments: list[str]) -> None:
    assert (ROOT / arguments[0]).exists() or arguments[0] == ".venv/bin/activate", f"no {arguments[0]}"


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "bash": _file,
    "echo": _echo,
    "make": _make,
    "pip": _install,
    "pytest": _pytest,
    "python": _python,
    "source": _file,
    "strands-temporal": _strands_temporal,
    "strands-temporal-hitl": _approvals,
    "temporal": _temporal,
    "uv": _uv,
}
"""How to check a command, by its program."""

BLOCKS = [block for page in [*PAGES, *OTHER_READMES] for block in blocks_of(page)]
