"""An MJPEG camera on loopback that can misbehave."""

import base64
import hashlib
import re
import socket
import ssl
import time

import cv2
import numpy as np
from tcp_server import TcpServer, reset


def jpegs(pictures) -> list[bytes]:
    return [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]


class MjpegServer(TcpServer):
    """Sends `pictures` (JPEGs) again and again, `fps` a second.

    fault: none, or from the `after`th picture on: stall, close, rst, truncated (each third is cut off), corrupt (each
    third is no JPEG inside), resize (`others` are sent instead). Or from the beginning: silent, html, redirect (to
    `location`), missing, forbidden, endless (headers without end), huge (a part of a gigabyte). Or in form: no_length,
    dashes (in the announced boundary), quoted, chunked.
    """

    def __init__(
        self,
        pictures: list[bytes],
        *,
        fault: str = "none",
        after: int = 5,
        fps: float = 30,
        auth: tuple[str, str] | None = None,
        digest: str = "",
        others: list[bytes] | None = None,
        location: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.pictures, self.fault, self.after, self.fps = pictures, fault, after, fps
        self.auth, self.digest, self.others, self.location = auth, digest, others or [], location
        self.requests: list[str] = []
        super().__init__(tls)

    @property
    def address(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/video?id=1"

    def serve(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (received := connection.recv(4096)):
                return
            request += received
        head = request.decode("latin-1")
        self.requests.append(head)
        if self.fault == "silent":
            self.stopping.wait()
        elif self.auth and not self._is_authorized(head):
            self._answer(connection, "401 Unauthorized", f"WWW-Authenticate: {self._challenge()}\r\n")
        elif plain := {
            "missing": ("404 Not Found", ""),
            "forbidden": ("403 Forbidden", ""),
            "redirect": ("302 Found", f"Location: {self.location}\r\n"),
            "html": ("200 OK", "Content-Type: text/html\r\n"),
        }.get(self.fault):
            self._answer(connection, *plain)
        elif self.fault == "endless":
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not self.stopping.wait(0.001):
                connection.sendall(b"X-Header: 1\r\n" * 50)
        else:
            self._stream(connection)

    def _answer(self, connection: socket.socket, status: str, headers: str) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())

    def _stream(self, connection: socket.socket) -> None:
        boundary = {"dashes": "--part", "quoted": '"part"'}.get(self.fault, "part")
        chunked = "Transfer-Encoding: chunked\r\n" if self.fault == "chunked" else ""
        connection.sendall(
            f"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={boundary}\r\n{chunked}\r\n".encode()
        )
        began, number = time.monotonic(), 0
        while not self.stopping.is_set():
            data = self._picture(number)
            if data is None:
                if self.fault == "stall":
                    self.stopping.wait()
                elif self.fault == "rst":
                    reset(connection)
                return
            length = "" if self.fault == "no_length" else f"Content-Length: {len(data)}\r\n"
            if self.fault == "huge":
                length = f"Content-Length: {2**30}\r\n"
            part = f"--part\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + data + b"\r\n"
            connection.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            number += 1
            self.stopping.wait(began + number / self.fps - time.monotonic())

    def _picture(self, number: int) -> bytes | None:
        """What is sent; None where the fault ends it."""
        data = self.pictures[number % len(self.pictures)]
        if number < self.after:
            return data
        if self.fault in ("stall", "close", "rst"):
            return None
        if self.fault == "resize":
            return self.others[number % len(self.others)]
        if self.fault == "truncated" and number % 3 == 0:
            return data[: len(data) // 2]
        if self.fault == "corrupt" and number % 3 == 0:
            noise = np.random.default_rng(number).integers(0, 255, len(data) - 200, np.uint8).tobytes()
            return data[:20] + noise.replace(b"\xff", b"\xfe") + b"\xff\xd9"
        return data

    def _challenge(self) -> str:
        return f'Digest realm="cam", nonce="n0", {self.digest}' if self.digest else 'Basic realm="cam"'

    def _is_authorized(self, head: str) -> bool:
        found = re.search("(?m)^Authorization: (.*?)\r$", head)
        return bool(found and self.auth and is_authorized(found[1], head.split(" ")[0], *self.auth, self.digest))


def is_authorized(given: str, method: str, user: str, password: str, digest: str) -> bool:
    """Computed anew from RFC 7616. digest: what the challenge said beside realm "cam" and nonce "n0", or "" for Basic."""
    if not digest:
        return given == "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    fields = dict(re.findall(r'(\w+)="?((?:(?<==")(?:[^"\\]|\\.)*)|[^",]*)"?', given))
    new = hashlib.sha256 if "SHA-256" in digest else hashlib.md5

    def hashed(text: str) -> str:
        return new(text.encode()).hexdigest()

    middle = f"{fields['nc']}:{fields['cnonce']}:{fields['qop']}:" if "qop" in digest else ""
    secret, action = hashed(f"{user}:cam:{password}"), hashed(f"{method}:{fields.get('uri')}")
    return fields.get("response") == hashed(f"{secret}:n0:{middle}{action}")
