"""nginx and Caddy with the files of deploy/, before a web server of the tests; ports and certificate are the tests'."""

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
NAME = "faces.example.org"
CLIENT = "127.0.0.2"  # this machine by another of its addresses, which is no proxy's


class ReverseProxy:
    """The caller stops it. http, https: its ports."""

    def __init__(self, kind: str, folder: Path, backend: int) -> None:
        self.http, self.https = free_port(), free_port()
        self._trust = ssl.create_default_context(cafile=write_certificate(folder))
        command = {"nginx": self._nginx, "caddy": self._caddy}[kind](folder, backend)
        with (folder / "errors").open("w") as errors:
            self.process = subprocess.Popen(command, cwd=folder, stderr=errors)
        deadline = time.monotonic() + 30
        while not _answers(self.https):
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "errors").read_text()
            time.sleep(0.02)

    def _nginx(self, folder: Path, backend: int) -> list[str]:
        server = _exchanged(
            (DEPLOY / "nginx.conf").read_text(),
            {
                r"listen \[::\].*\n": "",
                r"listen 80;": f"listen 127.0.0.1:{self.http};",
                r"listen 443 ": f"listen 127.0.0.1:{self.https} ",
                r"/etc/ssl/faces\.example\.org": str(folder),
                r"127\.0\.0\.1:8000": f"127.0.0.1:{backend}",
            },
        )
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{places}{server}}}\n"
        )
        return [found("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]

    def _caddy(self, folder: Path, backend: int) -> list[str]:
        site = _exchanged(
            (DEPLOY / "Caddyfile").read_text(),
            {
                r"faces\.example\.org \{": f"faces.example.org {{\n\ttls {folder}/fullchain.pem {folder}/privkey.pem",
                r"127\.0\.0\.1:8000": f"127.0.0.1:{backend}",
            },
        )
        ours = f"admin off\nhttp_port {self.http}\nhttps_port {self.https}\nstorage file_system {folder}"
        (folder / "Caddyfile").write_text(f"{{\n{ours}\n}}\n{site}")
        return [found("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]

    @contextmanager
    def ask(self, method: str, path: str, *, plain: bool = False, **options) -> Iterator[http.client.HTTPResponse]:
        """One request from CLIENT on a connection of its own. options: of HTTPConnection.request."""
        port = self.http if plain else self.https
        with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(CLIENT, 0)) as reached:
            connection = http.client.HTTPConnection(NAME)
            connection.sock = reached if plain else self._trust.wrap_socket(reached, server_hostname=NAME)
            with closing(connection):
                connection.request(method, path, **options)
                with connection.getresponse() as answer:
                    yield answer

    def stop(self) -> None:
        self.process.kill()  # asked politely, Caddy waits for every connection
        self.process.wait()


def found(name: str) -> str:
    program = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    return program or pytest.skip(f"{name} is not installed: apt install {name}")


def _exchanged(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        text, count = re.subn(old, new, text)
        assert count, old
    return text


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_certificate(folder: Path) -> Path:
    """fullchain.pem and privkey.pem, for NAME, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "privkey.pem").write_bytes(private)
    chain = folder / "fullchain.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return chain
