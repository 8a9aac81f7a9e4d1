"""The Python client keeps its key to the origin it was given, and understands every Retry-After. Against servers of its own."""

import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "clients" / "python" / "src"))
from faceplatform_client import AddressRefused, ApiError, Client, ConnectionFailed
from faceplatform_client.origin import require_same_origin

NO_PAGE: dict = {"results": [], "next": None}


class Server:
    """Answers each path as `answers` says: (status, headers, body). Keeps the calls: (method, path, Authorization)."""

    def __init__(self):
        self.answers: dict[str, tuple[int, dict, bytes]] = {}
        self.calls: list[tuple[str, str, str | None]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                server.calls.append((self.command, self.path, self.headers.get("Authorization")))
                status, headers, body = server.answers.get(self.path.partition("?")[0], (404, {}, b"{}"))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, path: str, content: object, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def platform():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def elsewhere():
    server = Server()
    server.answer("/api/v1/me", {"user": "stolen"})
    server.answer("/api/v1/identities", NO_PAGE)
    yield server
    server.stop()


@pytest.fixture
def client(platform):
    return Client(platform.address, "fp_secret")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_never_gets_the_key(platform, elsewhere, client, status):
    platform.answer("/api/v1/me", b"", status, Location=f"{elsewhere.address}/api/v1/me")
    with pytest.raises(AddressRefused, match="The key was not sent there"):
        client.me()
    assert elsewhere.calls == []
    assert len(platform.calls) == 1  # a refusal is not tried again


def test_a_chain_of_redirects_is_refused_where_it_leaves_the_origin(platform, elsewhere, client):
    platform.answer("/api/v1/me", b"", 302, Location="/first")
    platform.answer("/first", b"", 302, Location=f"//127.0.0.1:{elsewhere.address.rpartition(':')[2]}/api/v1/me")
    with pytest.raises(AddressRefused):
        client.me()
    assert elsewhere.calls == []


def test_a_redirect_within_the_origin_is_followed(platform, client):
    platform.answer("/api/v1/me", b"", 302, Location="/elsewhere/me")
    platform.answer("/elsewhere/me", {"user": "ann"})
    assert client.me() == {"user": "ann"}
    assert platform.calls[-1] == ("GET", "/elsewhere/me", "Bearer fp_secret")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_post_or_deletion_is_not_turned_into_something_else(platform, client, status):
    platform.answer("/api/v1/identities", b"", status, Location="/api/v1/other")
    platform.answer("/api/v1/identities/7", b"", status, Location="/api/v1/other")
    platform.answer("/api/v1/other", {"id": "7"})
    with pytest.raises(AddressRefused, match="POST"):
        client.add_person("Ann", gallery="staff")
    with pytest.raises(AddressRefused, match="DELETE"):
        client.delete_person("7")
    assert [method for method, _, _ in platform.calls] == ["POST", "DELETE"]


def test_the_next_page_of_another_origin_is_refused(platform, elsewhere, client):
    platform.answer(
        "/api/v1/identities", {"results": [{"name": "Ann"}], "next": f"{elsewhere.address}/api/v1/identities"}
    )
    people = client.people(gallery="staff")
    assert next(people) == {"name": "Ann"}
    with pytest.raises(AddressRefused, match="another server"):
        next(people)
    assert elsewhere.calls == []


def test_the_next_page_of_the_same_origin_is_fetched(platform, client):
    platform.answer("/api/v1/identities", {"results": [{"name": "Ann"}], "next": f"{platform.address}/second"})
    platform.answer("/second", {"results": [{"name": "Bob"}], "next": None})
    assert [person["name"] for person in client.people(gallery="staff")] == ["Ann", "Bob"]


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("https://faces.example.org/", "http://faces.example.org/"),  # without encryption
        ("https://faces.example.org/", "https://faces.example.org:8443/"),
        ("https://faces.example.org/", "https://evil.example.org/"),
        ("https://faces.example.org/", "https://faces.example.org.evil.example/"),
        ("https://faces.example.org/", "https://faces.example.org@evil.example/"),
        ("https://faces.example.org/", "https://user@faces.example.org/"),
        ("https://faces.example.org/", "https://faces.example.org\\@evil.example/"),
        ("https://faces.example.org/", "https://faces.example.org:nonsense/"),
        ("https://faces.example.org/", "https://[/"),
        ("https://faces.example.org/", "file:///etc/passwd"),
        ("https://faces.example.org/", "ftp://faces.example.org/"),
        ("https://faces.example.org/", "URL:https://evil.example/"),
    ],
)
def test_what_another_origin_is(here, there):
    with pytest.raises(AddressRefused):
        require_same_origin(here, there)


def test_what_the_same_origin_is():
    for there in ("https://faces.example.org/x", "HTTPS://Faces.Example.org:443/y?z", "https://faces.example.org"):
        require_same_origin("https://faces.example.org/api/v1/", there)


def test_an_id_cannot_lead_to_another_server(platform, elsewhere, client):
    for made_up in (f"{elsewhere.address}/x", f"//{elsewhere.address[7:]}/x", f"../..//{elsewhere.address[7:]}/x"):
        with pytest.raises((ApiError, ConnectionFailed)):
            client.person(made_up)
    assert elsewhere.calls == []


@pytest.mark.parametrize("address", ["faces.example.org", "ftp://faces.example.org", "file:///tmp", "", "http://"])
def test_an_address_that_is_none_is_refused_at_once(address):
    with pytest.raises(ValueError, match="not an address of a platform"):
        Client(address, "fp_secret")


def _retry_after(platform, client, value: str):
    platform.answer("/api/v1/me", {"code": "throttled", "detail": "Later."}, 429, Retry_After=value)
    with pytest.raises(ApiError, match="429 throttled") as told:
        client.me()
    return told.value.retry_after


def test_retry_after_as_seconds_and_as_a_date(platform, client):
    assert _retry_after(platform, client, "7") == 7
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3000 < _retry_after(platform, client, later) <= 3600
    assert _retry_after(platform, client, later.replace("GMT", "-0000")) > 3000
    assert _retry_after(platform, client, "Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "nan", "inf", "9" * 5000, "Wed, 99 Oct 2015 07:28:00 GMT", "0x10", "1e9"]
)
def test_a_retry_after_that_cannot_be_read_is_none(platform, client, value):
    assert _retry_after(platform, client, value) is None


@pytest.mark.parametrize(
    "body", [b"<html>Bad gateway</html>", b"[1]", b'"text"', b"7", b"", b"\xff", b'{"status": "bad"}']
)
def test_an_error_that_is_no_problem_document_is_an_api_error(platform, client, body):
    platform.answer("/api/v1/me", body, 502)
    with pytest.raises(ApiError) as told:
        client.me()
    assert told.value.status == 502


def test_an_answer_that_is_not_json_is_an_api_error(platform, client):
    platform.answer("/api/v1/me", b"<html>Welcome</html>")
    with pytest.raises(ApiError, match="not_json"):
        client.me()
