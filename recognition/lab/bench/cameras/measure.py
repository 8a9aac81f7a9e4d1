"""Cameras: what reading them costs, how often their pictures are analysed, and how soon a name is there.

The platform is one of its own. Each camera reads a video file made here, H.264 of 1280x720 at 15 pictures a second, over and
over: portraits that cross the picture, or a still hall. So decoding is measured, the network is not. Every other portrait is of
somebody who is enrolled.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import cv2
import numpy as np

from recognition.lab.bench.api.client import Client
from recognition.lab.bench.api.measure import enrol
from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.api.processes import Usage
from recognition.lab.bench.engine import BenchError

LIVE_LIMIT = 180.0  # seconds until all cameras give pictures
LOOK_EVERY = 2.0
WARM_UP = 10.0  # seconds that one camera is read before anything is measured


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds from a face's first analysed picture to the row with the decision. count: of sightings."""

    count: int
    median: float | None
    p95: float | None

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Wait":
        if not seconds:
            return cls(0, None, None)
        return cls(len(seconds), round(statistics.median(seconds), 2), round(float(np.percentile(seconds, 95)), 2))

    def __str__(self) -> str:
        return f"{self.median}, {self.p95} ({self.count})" if self.count else "–"


@dataclass(frozen=True, slots=True)
class Figures:
    """cpu: of a core, by the camera workers. analysed: pictures a second and camera, of those wanted. megabytes: of the camera
    worker; per_camera: less those without a camera, by the number of cameras. known, unknown: how soon they were decided."""

    cameras: int
    scene: str
    wanted_fps: float
    min_frames: int
    analysed_fps: float
    received_fps: float
    cpu: float
    cpu_per_camera: float
    megabytes: int
    megabytes_per_camera: float
    known: Wait
    unknown: Wait

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Load:
    """Cameras to measure with. scene: busy or still. portraits: BGR uint8, of whom every other is enrolled."""

    cameras: int
    scene: str
    fps: float
    min_frames: int = 3
    portraits: Sequence[np.ndarray] = ()


class Running:
    """Cameras of a gallery of their own, that are all live. A context manager. Raises BenchError."""

    def __init__(self, platform: OwnPlatform, load: Load):
        self.load = load
        self.client = platform.connect()
        self.gallery = f"bench-{load.scene}-{load.cameras}-{time.monotonic_ns()}"
        self._made: list[str] = []

    def __enter__(self) -> "Running":
        self.client.call_checked("POST", "/galleries", {"name": self.gallery, "slug": self.gallery})
        if known := [cv2.imencode(".jpg", portrait)[1].tobytes() for portrait in self.load.portraits[::2]]:
            enrol(self.client, self.gallery, known)
        self._made = [_add(self.client, self.gallery, number, self.load) for number in range(self.load.cameras)]
        _wait_until_live(self.client, self.gallery, self.load.cameras)
        return self

    def __exit__(self, *_: object) -> None:
        for camera in self._made:
            self.client.call_checked("DELETE", f"/cameras/{camera}")

    def states(self) -> list[dict[str, Any]]:
        return [camera["state"] for camera in _all(self.client, f"/cameras?gallery={self.gallery}&limit=100")]

    def waits(self, decision: str) -> Wait:
        rows = _all(self.client, f"/sightings?gallery={self.gallery}&decision={decision}&limit=100")
        return Wait.of(_seconds_to_decide(rows))


def megabytes_without_cameras(platform: OwnPlatform, load: Load) -> int:
    """Of the camera worker, once it has read one and has its models loaded."""
    with Running(platform, load):
        time.sleep(WARM_UP)
    time.sleep(LOOK_EVERY)
    return max(_usage(platform).megabytes)


def measure(platform: OwnPlatform, load: Load, *, seconds: float, without: int, say: Callable[[str], None]) -> Figures:
    """without: megabytes of the worker without a camera. Raises BenchError."""
    with Running(platform, load) as running:
        say(f"{load.cameras} cameras are live.")
        before, began, states = _usage(platform), time.monotonic(), []
        while time.monotonic() - began < seconds:
            time.sleep(LOOK_EVERY)
            states += running.states()
        passed, after = time.monotonic() - began, _usage(platform)
        known, unknown = running.waits("known"), running.waits("unknown")
    cpu = (after.cpu - before.cpu) / passed
    return Figures(
        load.cameras, load.scene, load.fps, load.min_frames, _mean(state["analysed_fps"] for state in states),
        _mean(state["fps"] for state in states), round(cpu, 3), round(cpu / load.cameras, 4), max(after.megabytes),
        round((max(after.megabytes) - without) / load.cameras, 1), known, unknown,
    )  # fmt: skip


def _add(client: Client, gallery: str, number: int, load: Load) -> str:
    camera = {"gallery": gallery, "name": f"Camera {number}", "kind": "file", "address": f"{load.scene}.mp4"}
    how = {"repeats": True, "fps": load.fps, "min_frames": load.min_frames}
    return client.call_checked("POST", "/cameras", camera | how)["id"]


def _wait_until_live(client: Client, gallery: str, count: int) -> None:
    deadline = time.monotonic() + LIVE_LIMIT
    while (
        sum(camera["state"]["status"] == "live" for camera in _all(client, f"/cameras?gallery={gallery}&limit=100"))
        < count
    ):
        if time.monotonic() > deadline:
            raise BenchError(f"Not all {count} cameras gave pictures within {LIVE_LIMIT:.0f} s.")
        time.sleep(0.5)


def _all(client: Client, path: str) -> list[dict[str, Any]]:
    return client.call_checked("GET", path)["results"]


def _usage(platform: OwnPlatform) -> Usage:
    assert platform.processes is not None
    return platform.processes.usage()["cameras"]


def _mean(values: Iterator[float | None]) -> float:
    known = [value for value in values if value is not None]
    return round(statistics.fmean(known), 2) if known else 0.0


def _seconds_to_decide(sightings: Sequence[dict[str, Any]]) -> list[float]:
    """A sighting's id tells when its row was made (UUID version 7)."""
    waits = []
    for row in sightings:
        made = datetime.fromtimestamp((UUID(row["id"]).int >> 80) / 1000, UTC)
        waits.append((made - datetime.fromisoformat(row["first_seen"])).total_seconds())
    return waits


def table(rows: Sequence[Figures]) -> list[str]:
    lines = [
        "cameras  scene  wanted/s  frames  analysed/s  received/s  cores  per camera   MB  MB a camera  "
        "seconds to a known, an unknown person: median, p95 (of)"
    ]
    for row in rows:
        lines.append(
            f"{row.cameras:7}  {row.scene:5}  {row.wanted_fps:8}  {row.min_frames:6}  {row.analysed_fps:10}  "
            f"{row.received_fps:10}  {row.cpu:5.2f}  {row.cpu_per_camera:10.3f}  {row.megabytes:3}  "
            f"{row.megabytes_per_camera:11}  {row.known}; {row.unknown}"
        )
    return lines
