"""The command line itself: its options, its errors and its exit codes."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from packages.core.tests.command_processes import SCRIPT

from strands_temporal._commands import _app
from strands_temporal._commands._output import SafeStream, plain
from strands_temporal._commands._settings import Settings

UNREACHABLE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # no running `dev` is found
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["chat", "--help"], 0),
        ([], 2),
        (["chta"], 2),
        (["dev"], 2),
        (["dev", "nowhere.py"], 2),
        (["dev", __file__, "--model", "gpt"], 2),
        (["chat", "a", "--workflow", "B"], 2),
        (["chat", "a", "--address", UNREACHABLE], 1),
        (["--address", UNREACHABLE, "chat", "a"], 1),
        (["chat", "a", "--codec-auth", "secret"], 1),
    ],
)
def test_exit_codes(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert _app.run(arguments) == code
    printed = capsys.readouterr()
    assert (printed.err == "") == (code == 0)
    assert "Traceback" not in printed.err


def test_no_server_names_what_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert _app.run(["chat", "hello", "--address", UNREACHABLE]) == 1
    assert "strands-temporal dev" in capsys.readouterr().err


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CI writes these for the secrets that it does not have."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:7233")
    for name in ("TEMPORAL_API_KEY", "TEMPORAL_NAMESPACE", "TEMPORAL_TLS_CLIENT_CERT_PATH"):
        monkeypatch.setenv(name, "")
    config = Settings().connect_config()
    assert (config["target_host"], config["namespace"]) == ("127.0.0.1:7233", "default")
    assert not config.get("tls")
    monkeypatch.setenv("TEMPORAL_API_KEY", "key")
    assert Settings().connect_config()["tls"] is True


def test_a_command_of_another_package_gets_the_common_options(monkeypatch: pytest.MonkeyPatch) -> None:
    group, seen = typer.Typer(), list[Settings]()

    @group.command("list")
    def listed(ctx: typer.Context) -> None:
        seen.append(_app.settings(ctx))

    @group.command("other")
    def other(ctx: typer.Context, address: str = "") -> None:
        seen.append(Settings(address=address, namespace=_app.settings(ctx).namespace))

    def offered(group: str) -> list[EntryPoint]:
        return [EntryPoint("others", f"{__name__}:GROUP", group)]

    monkeypatch.setattr(sys.modules[__name__], "GROUP", group, raising=False)
    monkeypatch.setattr(_app, "entry_points", offered)
    for arguments in (
        ["--namespace", "n", "--json", "others", "list", "--address", "a:1"],
        ["others", "list", "--namespace", "n", "--address", "a:1", "--json"],
        ["--address", "b:2", "others", "list", "--namespace", "n", "--address", "a:1", "--json"],
        ["--namespace", "n", "others", "other", "--address", "its own"],
    ):
        assert _app.run(arguments) == 0
    assert seen[:3] == [Settings(address="a:1", namespace="n", json=True)] * 3
    assert seen[3] == Settings(address="its own", namespace="n")


def test_ctrl_c_is_exit_code_130() -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as left:
        _app.run_async(interrupted())
    assert left.value.exit_code == 130


def test_no_character_of_a_model_moves_the_cursor() -> None:
    assert plain("red \x1b[31m\x07\r\n\u202eok é\n") == "red \\x1b[31m\\x07\\r\n\\u202eok é\n"


def test_what_an_agent_prints_may_have_colours_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    print("\x1b[31mred\x1b[0m\t\x1b[2J\x07", "ok", file=cast("Any", SafeStream(sys.stdout)))
    assert capsys.readouterr().out == "\x1b[31mred\x1b[0m\t\\x1b[2J\\x07 ok\n"
    assert SafeStream(sys.stdout).encoding == sys.stdout.encoding


@pytest.mark.slow  # a process of its own
def test_without_its_extra_one_sentence_names_it(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no', name='typer')")
    code = "import sys; from strands_temporal._commands.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith('Install the extra `cli`: pip install "strands-temporal[cli]"')
    assert SCRIPT.is_file()
