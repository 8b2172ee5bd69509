"""Temporal's Web UI in a real Chromium: the docs' pictures, and the codec server of docs/encryption.md."""

import asyncio
import base64
import importlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripts import web_ui_pictures
from scripts.desk import PROMPT, waiting_desk
from temporalio.common import HeaderCodecBehavior

from integration_tests.browser import Visit, browse, click, fill, go, script, wait_for
from integration_tests.docs_code import module_of

pytestmark = [pytest.mark.server, pytest.mark.slow]  # downloads Chromium, and waits for the Web UI

SEEN = "document.querySelector('[data-testid=input-and-result]').innerText"
DIALOG = "#data-encoder-settings"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's module `encryption`, with a key."""
    monkeypatch.setenv("PAYLOAD_KEYS", f"new:{base64.b64encode(bytes(32)).decode()}")
    return module_of("encryption.md", "encryption", tmp_path, monkeypatch)


@pytest.mark.timeout(300)
def test_the_pictures_show_summaries_and_details(tmp_path: Path) -> None:
    asyncio.run(web_ui_pictures.main([str(tmp_path)]))  # each picture waits for what it is to show
    made = sorted(tmp_path.iterdir())
    assert len(made) == 2 * len(web_ui_pictures.PAGES)
    for file in made:
        assert file.read_bytes()[8:12] == b"WEBP"
        assert 10_000 < file.stat().st_size < 200_000, file.name


@pytest.mark.timeout(300)
async def test_the_web_ui_decrypts_by_the_codec_server(page: Any) -> None:
    async with waiting_desk(
        data_converter=page.encrypted_data_converter(), header_codec_behavior=HeaderCodecBehavior.CODEC
    ) as desk:
        codec = page.EncryptionCodec.from_environment()
        app = importlib.import_module("codec_server").codec_app(codec, origin=desk.ui, token=None)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            visit = Visit(
                f"{desk.page}/timeline",
                [
                    wait_for("[data-testid=input-and-result] >> text=Input"),
                    script(SEEN),
                    click("[aria-label='Configure Codec Server']"),
                    click("[data-testid=use-local-endpoint-input]"),
                    fill(f"{DIALOG} textarea", f"http://{host}:{port}"),
                    click(f"{DIALOG} [data-testid=confirm-modal-button]"),
                    go(f"{desk.page}/timeline"),
                    wait_for(f"text={PROMPT}"),
                    wait_for("text=claude · desk · turn 1"),
                    script(SEEN),
                    go(f"{desk.page}/user-metadata"),
                    wait_for("#user-metadata-details >> internal:control=enter-frame >> text=A-7"),
                ],
            )
            (seen,) = await asyncio.to_thread(browse, [visit])
        finally:
            await runner.cleanup()
        assert [fault for fault in seen.faults if fault.startswith("step:")] == []
        before, after = seen.values
        assert PROMPT not in before
        assert PROMPT in after
