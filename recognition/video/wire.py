"""A connection to a camera: to a checked address, with a deadline over every wait, and words for what goes wrong."""

import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, RemoteDisconnected

from faceplatform.addresses import AddressNotAllowed, connect
from recognition.video.source import Allowed, Reason, Source, SourceError, Target
from recognition.video.watch import Watch

CONNECT_SECONDS = 5.0


class Wire(io.RawIOBase):
    """A socket as a raw file that waits no longer than the watch allows; `reader` buffers it."""

    def __init__(self, sock: socket.socket, watch: Watch) -> None:
        super().__init__()
        self._socket = sock
        self._watch = watch
        self.reader: io.BufferedReader[Wire] = io.BufferedReader(self, 1 << 16)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._socket.settimeout(self._watch.left())
        count = self._socket.recv_into(buffer)
        self._watch.left()  # raises where it was the watch that ended the wait
        return count

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._watch.left())
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> "io.BufferedReader[Wire]":
        """What http.client reads an answer from."""
        return self.reader


@contextmanager
def wired(source: Source, target: Target, allowed: Allowed, watch: Watch) -> Iterator[Wire]:
    """A connection to the camera. What fails on it, in the block too, is raised as SourceError, or as Cancelled."""
    sock = _connected(target, allowed, watch)
    try:
        with _plain_words(watch):
            if target.is_secure:
                # The handshake waits, too: first the socket is guarded.
                sock = _tls(source).wrap_socket(sock, server_hostname=target.host, do_handshake_on_connect=False)
            watch.guard(sock)
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(watch.left())
                sock.do_handshake()
            yield Wire(sock, watch)
    finally:
        watch.release()
        sock.close()


def _connected(target: Target, allowed: Allowed, watch: Watch) -> socket.socket:
    seconds = min(CONNECT_SECONDS, watch.left())
    try:
        return connect(target.host, target.port, allowed_networks=allowed.networks, timeout=seconds)
    except AddressNotAllowed as error:
        raise SourceError(Reason.NOT_ALLOWED, str(error)) from None
    except socket.gaierror:
        raise SourceError(Reason.UNKNOWN_NAME) from None
    except ConnectionRefusedError:
        raise SourceError(Reason.REFUSED) from None
    except OSError:
        raise SourceError(Reason.UNREACHABLE) from None


def _tls(source: Source) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not source.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _plain_words(watch: Watch) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException) as error:
        watch.left()  # raises where the watch ended it, as a connection ends that is shut down
        raise SourceError(_reason(error)) from None


def _reason(error: OSError | HTTPException) -> Reason:
    if isinstance(error, TimeoutError):
        return Reason.STALLED
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return Reason.TLS
    return Reason.LOST if isinstance(error, OSError | RemoteDisconnected) else Reason.BROKEN
