"""What a connection may cost: real servers, and clients that are slow, silent or many."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager
from ipaddress import ip_network
from types import SimpleNamespace

import pytest
from factories import GalleryFactory, member
from web_process import WebProcess

from accounts.keys.services import create_api_key
from accounts.roles import Role
from faceplatform.web.connections import Bounds, Connections
from faceplatform.web.server import server_of

LONG = 20_000_000  # bytes of an answer, more than the kernel keeps for a client that does not read
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Application:
    """Answers at once; /long with LONG bytes in pieces; /held once it is released. ended: the paths that are over."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.held = threading.Semaphore(0)
        self.ended: list[str] = []

    async def __call__(self, scope, receive, send) -> None:
        path = scope["path"]
        if path == "/held":
            self.held.release()
            while not self.release.is_set():
                await asyncio.sleep(0.01)
        pieces = LONG // 100_000 if path == "/long" else 1
        size = str(100_000 * pieces if path == "/long" else 2).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", size)]})
        body = bytes(100_000) if path == "/long" else b"ok"
        for number in range(pieces):
            await send({"type": "http.response.body", "body": body, "more_body": number + 1 < pieces})
        self.ended.append(path)


@contextmanager
def serving(bounds: Bounds):
    application = Application()
    server = server_of(application, bounds, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield SimpleNamespace(port=server.servers[0].sockets[0].getsockname()[1], application=application)
    finally:
        application.release.set()
        server.should_exit = True
        thread.join(20)


OPENED: list[socket.socket] = []


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    while OPENED:
        OPENED.pop().close()


def connect(web) -> socket.socket:
    OPENED.append(socket.create_connection(("127.0.0.1", web.port), timeout=30))
    return OPENED[-1]


def all_of(connection: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    got = b""
    with connection:
        try:
            while piece := connection.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
    return got


def answer(connection: socket.socket, sent: bytes = GET) -> bytes:
    connection.sendall(sent)
    return received(connection)


def received(connection: socket.socket) -> bytes:
    """The next answer; none is chunked."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += connection.recv(65536) or pytest.fail(f"closed after {got!r}")
    head, _, body = got.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < size:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def key(db) -> str:
    viewer = member(GalleryFactory(), Role.VIEWER)
    return create_api_key(actor=viewer, user=viewer.user, scopes=["read"])[1]


@pytest.mark.django_db(transaction=True)
def test_silent_and_slow_connections_stop_nobody_and_are_closed(tmp_path, key):
    web = WebProcess(tmp_path, FACEPLATFORM_HEADER_SECONDS="3")
    try:
        silent = [connect(web) for _ in range(300)]
        slow = [connect(web) for _ in range(20)]
        stop = threading.Event()

        def drip() -> None:
            """A header that never ends, byte by byte."""
            for connection in slow:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            while not stop.wait(0.1):
                for connection in slow:
                    try:
                        connection.send(b"x")
                    except OSError:
                        return

        dripping = threading.Thread(target=drip)
        dripping.start()
        me = f"GET /api/v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        assert answer(connect(web), me).startswith(b"HTTP/1.1 200")
        assert {all_of(connection) for connection in silent} == {b""}
        said = [all_of(connection) for connection in slow]
        stop.set()
        dripping.join()
        # A client that still sends when the connection is closed may lose the answer.
        assert {text.partition(b"\r\n")[0] for text in said} <= {b"HTTP/1.1 408 Request Timeout", b""}
        assert answer(connect(web), me).startswith(b"HTTP/1.1 200")
    finally:
        web.stop()


def test_headers_that_stop_half_way_are_answered_408():
    with serving(Bounds(most=10, an_address=0, headers=1)) as web:
        connection = connect(web)
        connection.sendall(GET[:-2])
        said = all_of(connection)
    assert said.startswith(b"HTTP/1.1 408 ") and b"came too slowly" in said


def test_the_time_for_headers_begins_anew_with_each_request():
    """An unused connection is closed after an answer as before; one whose next request comes slowly, after the same time."""
    with serving(Bounds(most=10, an_address=0, headers=1)) as web:
        connection = connect(web)
        for _ in range(3):
            assert answer(connection).endswith(b"ok")
        connection.sendall(GET[:10])
        assert all_of(connection).startswith(b"HTTP/1.1 408 ")


def test_a_request_that_is_being_answered_is_not_closed():
    with serving(Bounds(most=10, an_address=0, headers=0.1)) as web:
        connection = connect(web)
        connection.sendall(GET.replace(b"/ ", b"/held ", 1))
        time.sleep(2.5)  # two looks of the server, which closes nothing
        web.application.release.set()
        assert received(connection).endswith(b"ok")


def test_the_connection_that_is_longest_without_a_request_gives_way():
    with serving(Bounds(most=3, an_address=0)) as web:
        first, second, third = (connect(web) for _ in range(3))
        assert answer(first).endswith(b"ok"), "now the second is without a request for longest"
        assert answer(connect(web)).endswith(b"ok")
        assert all_of(second) == b""
        assert answer(first).endswith(b"ok") and answer(third).endswith(b"ok")


def test_where_all_are_busy_the_next_one_is_told_to_wait():
    with serving(Bounds(most=2, an_address=0)) as web:
        busy = [connect(web) for _ in range(2)]
        for connection in busy:
            connection.sendall(GET.replace(b"/ ", b"/held ", 1))
            web.application.held.acquire(timeout=20)
        said = all_of(connect(web))
        assert said.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 5" in said and b"Try again" in said
        web.application.release.set()
        assert {received(connection)[-2:] for connection in busy} == {b"ok"}
        assert answer(connect(web)).endswith(b"ok")


class Peer(SimpleNamespace):
    """A connection as Connections sees it."""

    __hash__ = object.__hash__

    def give_way(self) -> None:
        self.gone = True
        self.connections.drop(self)


def test_an_address_has_its_share_and_proxies_and_this_machine_have_none():
    connections = Connections(Bounds(most=100, an_address=2, exempt=[ip_network("10.0.0.0/8")]))

    def admitted(address: str, count: int, *, busy: bool = True) -> list[bool]:
        peers = [
            Peer(client=(address, 1), awaits_request=not busy, since=n, gone=False, connections=connections)
            for n in range(count)
        ]
        return [connections.admit(peer) for peer in peers]

    assert admitted("192.0.2.1", 3) == [True, True, False]
    assert admitted("::ffff:192.0.2.1", 1) == [False]
    assert admitted("192.0.2.2", 3) == [True, True, False]
    assert admitted("2001:db8::1", 2) == [True, True]
    assert admitted("2001:db8::2", 1) == [False], "a network of 64 bits is one customer's"
    assert admitted("2001:db8:0:1::2", 1) == [True]
    assert admitted("198.51.100.1", 5, busy=False) == [True] * 5, "the idle ones gave way"
    for free in ("127.0.0.1", "::1", "10.1.2.3"):
        assert all(admitted(free, 5))
    # of those that are let go, nothing remains
    for peer in list(connections._all):
        connections.drop(peer)
    assert not connections._of


def test_an_answer_that_nobody_takes_is_given_up():
    with serving(Bounds(most=10, an_address=0, answer=1)) as web:
        connection = connect(web)
        connection.sendall(GET.replace(b"/ ", b"/long ", 1))
        deadline = time.monotonic() + 30
        while not web.application.ended:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(all_of(connection)) < LONG


def test_an_answer_that_is_taken_slowly_is_sent_to_its_end():
    with serving(Bounds(most=10, an_address=0, answer=2, rate=1000)) as web:
        connection = connect(web)
        connection.sendall(GET.replace(b"/ ", b"/long ", 1))
        size, began = 0, time.monotonic()
        while time.monotonic() - began < 6:
            size += len(connection.recv(100_000))
            time.sleep(0.1)
        assert size + len(all_of(connection)) > LONG


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered_with_its_status(sent, status):
    with serving(Bounds(most=10, an_address=0)) as web:
        connection = connect(web)
        connection.sendall(sent)
        said = received(connection)
    assert said.startswith(f"HTTP/1.1 {status} ".encode())
