"""docs/hosting.md: an agent over mTLS, configured by the environment, and the command for approvals."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from integration_tests.docs_code import commands_of, module_of, own_server
from integration_tests.hosted_scenes import HelloWorkflow
from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel, say

pytestmark = pytest.mark.server


class Authority:
    """A certificate authority, for a server and a client of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("authority")
        self.ca = self._write("ca", self._certificate(self._name, self._key, ca=True), self._key)

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate for 127.0.0.1 and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, self._certificate(_name(name), key, ca=False), key)

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> tuple[Path, Path]:
        files = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@contextlib.asynccontextmanager
async def tls_proxy(authority: Authority, address: str) -> AsyncGenerator[str]:
    """Serve the Temporal server at `address` over TLS, to clients with a certificate of `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.ca[0])
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_server = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pipe(reader, to_server[1]), pipe(to_server[0], writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_an_agent_over_mutual_tls(
    server: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("hosting.md", "hosted", tmp_path, monkeypatch)
    model = ScriptedModel(say("Hello."))
    monkeypatch.setattr(page, "StrandsPlugin", lambda: StrandsPlugin(models={"m": lambda: model}))
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client")
    async with tls_proxy(authority, server.address) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "default")
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(authority.ca[0]))
        with pytest.raises(RuntimeError):  # no certificate of the client
            await page.connect()
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", str(certificate))
        monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", str(key))
        client = await page.connect()
        queue = f"hosted-{uuid.uuid4()}"
        async with Worker(client, task_queue=queue, workflows=[HelloWorkflow]):
            answer = client.execute_workflow(HelloWorkflow.run, "Hello?", id=queue, task_queue=queue)
            assert await asyncio.wait_for(answer, 60) == "Hello."


def test_an_api_key_turns_tls_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "eu-central-1.aws.api.temporal.io:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "chats.a1b2c")
    monkeypatch.setenv("TEMPORAL_API_KEY", "key")
    config: Any = ClientConfig.load_client_connect_config()
    assert (config["namespace"], config["api_key"], bool(config["tls"])) == ("chats.a1b2c", "key", True)


async def test_the_search_attribute_of_approvals() -> None:
    async with own_server() as server:  # it changes the server
        (create,) = commands_of("hosting.md")
        await create.run(server.address, {})
