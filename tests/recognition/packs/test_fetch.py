"""Against a real HTTP server on this machine."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

from recognition.engine.manifest import PackError
from recognition.packs.fetch import fetch

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.BaseHTTPRequestHandler):
    """content: what is served. ranges: whether it resumes. breaks: how many responses end half-way. requested: Range headers."""

    content, ranges, breaks, requested = CONTENT, True, 0, []

    def do_GET(self):
        cls = type(self)
        requested = self.headers.get("Range")
        cls.requested.append(requested)
        start = int(requested.removeprefix("bytes=").partition("-")[0]) if requested and cls.ranges else 0
        if "missing" in self.path:
            self.send_error(404)
            return
        if start >= len(cls.content):
            self.send_error(416)
            return
        body = cls.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if cls.breaks:
            cls.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    handler = type("Handler", (Server,), {"requested": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{running.server_port}/net.onnx"
        yield handler
        running.shutdown()


@pytest.fixture
def get(tmp_path):
    return partial(fetch, folder=tmp_path, sha256=SHA256, say=lambda text: None, pause=0.01)


def test_fetches_with_progress(server, tmp_path):
    lines = []
    path = fetch(server.url, tmp_path, SHA256, lines.append)
    assert path.read_bytes() == CONTENT
    assert len(lines) >= 3
    assert "%" in lines[-1]


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_broken_connection_is_resumed(server, get, breaks):
    server.breaks = breaks
    assert get(server.url).read_bytes() == CONTENT
    assert len(server.requested) == breaks + 1
    assert server.requested[1] == f"bytes={len(CONTENT) // 2}-"


def test_the_next_run_resumes_where_the_last_one_ended(server, get, tmp_path):
    server.breaks = 99
    with pytest.raises(PackError, match="resumes where it stopped"):
        get(server.url)
    size = (tmp_path / f"{SHA256}.part").stat().st_size
    assert 0 < size < len(CONTENT)
    server.breaks = 0
    assert get(server.url).read_bytes() == CONTENT
    assert server.requested[-1] == f"bytes={size}-"


def test_a_server_that_cannot_resume_sends_the_whole_file(server, get):
    server.breaks, server.ranges = 1, False
    assert get(server.url).read_bytes() == CONTENT


def test_another_file_is_refused_and_not_kept(server, get, tmp_path):
    server.content = b"something else"
    with pytest.raises(PackError, match="sha256 differs"):
        get(server.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["missing", "file:///etc/passwd", "ftp://example.org/x"])
def test_what_cannot_be_fetched_is_a_clear_error(server, get, path):
    url = server.url.replace("net.onnx", path) if path == "missing" else path
    with pytest.raises(PackError, match=r"cannot be fetched.*404|not a web address"):
        get(url)
    assert len(server.requested) == (1 if path == "missing" else 0)  # a 404 is not tried again
