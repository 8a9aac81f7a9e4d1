"""How old a camera's live picture is when it arrives: the camera shows a clock, and the picture is read like a browser's.

The camera is a server of this process that sends MJPEG; its clock is a row of black and white blocks, which outlive JPEG and
the smaller size of the live picture.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.cameras.films import FPS, SIZE, hall
from recognition.lab.bench.engine import BenchError

BITS, ROW = 32, 60  # of the clock, in milliseconds; px
LIVE_LIMIT = 60.0  # seconds
OLDEST = 60.0  # seconds; a clock that seems older was misread
BEGINS = 5.0  # seconds at the beginning that do not count: nobody watched, so the picture is an old one


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from the camera's picture to its arrival with boxes. a_second: pictures that arrived."""

    pictures: int
    a_second: float
    median: float
    p95: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"live picture: {self.a_second} a second, {self.median} s old, p95 {self.p95} s ({self.pictures} pictures)"
        )


def live_delay(platform: OwnPlatform, *, seconds: float) -> Delay:
    """Needs 127.0.0.0/8 among the platform's networks. Raises BenchError."""
    client, slug = platform.connect(), f"bench-live-{time.monotonic_ns()}"
    client.call_checked("POST", "/galleries", {"name": slug, "slug": slug})
    with clock_camera() as address:
        camera = {"gallery": slug, "name": "Clock", "kind": "mjpeg", "address": address}
        pk = client.call_checked("POST", "/cameras", camera)["id"]
        _wait_until_live(client, pk)
        ages = _watch(platform, pk, seconds)
        client.call_checked("DELETE", f"/cameras/{pk}")
    if not ages:
        raise BenchError("No live picture arrived.")
    return Delay(
        len(ages), round(len(ages) / seconds, 1), *(round(float(np.percentile(ages, at)), 2) for at in (50, 95))
    )


def _wait_until_live(client: Any, pk: str) -> None:
    deadline = time.monotonic() + LIVE_LIMIT
    while client.call_checked("GET", f"/cameras/{pk}")["state"]["status"] != "live":
        if time.monotonic() > deadline:
            raise BenchError("The camera with the clock gave no pictures.")
        time.sleep(0.5)


def _watch(platform: OwnPlatform, pk: str, seconds: float) -> list[float]:
    connection = HTTPConnection("127.0.0.1", platform.port, timeout=30)
    connection.request("GET", f"/api/v1/cameras/{pk}/live.mjpeg", headers={"Authorization": f"Bearer {platform.key}"})
    answer, ages = connection.getresponse(), []
    began = time.monotonic()
    for jpeg in _pictures(answer):
        passed = time.monotonic() - began
        if passed > BEGINS + seconds:
            break
        age = ((_milliseconds() - read_clock(jpeg)) % (1 << BITS)) / 1000
        if passed > BEGINS and age < OLDEST:
            ages.append(age)
    connection.close()
    return ages


def _pictures(answer: HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        if line.lower().startswith(b"content-length:"):
            answer.readline()
            yield answer.read(int(line.split(b":")[1]))


def _milliseconds() -> int:
    return round(time.time() * 1000) % (1 << BITS)


def draw_clock(picture: np.ndarray, milliseconds: int) -> np.ndarray:
    """Into the first ROW lines of a BGR picture."""
    width = picture.shape[1] // BITS
    for bit in range(BITS):
        picture[:ROW, bit * width : (bit + 1) * width] = 255 if milliseconds >> bit & 1 else 0
    return picture


def read_clock(jpeg: bytes) -> int:
    """From a picture of any size that shows the whole row."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    middle, width = grey[grey.shape[0] * ROW // 2 // SIZE[1]], grey.shape[1] / BITS
    return sum(1 << bit for bit in range(BITS) if middle[round((bit + 0.5) * width)] > 127)


class _Clock(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            while True:
                jpeg = cv2.imencode(".jpg", draw_clock(hall(), _milliseconds()))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(1 / FPS)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def clock_camera() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Clock)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/video.mjpg"
    finally:
        server.shutdown()
        server.server_close()
