"""Cameras: what reading them costs, how often their pictures are analysed, and how soon a name is there.

The platform is one of its own. Each camera reads a video file made here, H.264 of 1280x720 at 15 pictures a second, over and
over: portraits that cross the picture, or a still hall. So decoding is measured, the network is not.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import cv2
import numpy as np

from recognition.lab.bench.api.client import Client
from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.api.processes import Usage
from recognition.lab.bench.engine import BenchError

SIZE, FPS = (1280, 720), 15
CROSSING, GONE = 4.0, 3.0  # seconds that a portrait is seen, and that nobody is
PORTRAIT_HEIGHT = 560  # px
LIVE_LIMIT = 180.0  # seconds until all cameras give pictures
LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Figures:
    """cpu: of a core, by the camera workers. analysed: pictures a second and camera, of those wanted. megabytes: of the camera
    worker. seconds_to_name: from a face's first picture to the row with the decision, median and 95th percentile."""

    cameras: int
    scene: str
    wanted_fps: float
    analysed_fps: float
    received_fps: float
    cpu: float
    cpu_per_camera: float
    megabytes: int
    sightings: int
    median_seconds_to_name: float | None
    p95_seconds_to_name: float | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def write_films(folder: Path, portraits: Sequence[np.ndarray]) -> None:
    """busy.mp4 and still.mp4. portraits: BGR uint8; a moving block where there are none."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "busy.mp4", _busy(portraits or [np.full((400, 300, 3), 220, np.uint8)]))
    _write(folder / "still.mp4", (_hall() for _ in range(10 * FPS)))


def _hall() -> np.ndarray:
    shades = np.linspace(70, 150, SIZE[0]).astype(np.uint8)
    return cv2.cvtColor(np.repeat(shades[None], SIZE[1], axis=0), cv2.COLOR_GRAY2BGR)


def _busy(portraits: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    for portrait in portraits:
        width = round(portrait.shape[1] * PORTRAIT_HEIGHT / portrait.shape[0])
        small = cv2.resize(portrait, (width, PORTRAIT_HEIGHT), interpolation=cv2.INTER_AREA)
        for number in range(round(CROSSING * FPS)):
            picture = _hall()
            left = round((SIZE[0] - width) * number / (CROSSING * FPS))
            picture[80 : 80 + PORTRAIT_HEIGHT, left : left + width] = small
            yield picture
        for _ in range(round(GONE * FPS)):
            yield _hall()


def _write(path: Path, pictures: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", 2 * FPS
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def measure(
    platform: OwnPlatform, *, cameras: int, scene: str, fps: float, seconds: float, say: Callable[[str], None]
) -> Figures:
    """A gallery with so many cameras, for so long. scene: busy or still. Raises BenchError."""
    client, slug = platform.connect(), f"bench-{scene}-{cameras}"
    client.call_checked("POST", "/galleries", {"name": slug, "slug": slug})
    made = [_add(client, slug, number, scene, fps) for number in range(cameras)]
    _wait_until_live(client, slug, cameras)
    say(f"{cameras} cameras are live.")
    before, began, states = _usage(platform), time.monotonic(), []
    while time.monotonic() - began < seconds:
        time.sleep(LOOK_EVERY)
        states += [camera["state"] for camera in _all(client, f"/cameras?gallery={slug}&limit=100")]
    passed, after = time.monotonic() - began, _usage(platform)
    waits = _seconds_to_decide(_all(client, f"/sightings?gallery={slug}&limit=100"))
    for camera in made:
        client.call_checked("DELETE", f"/cameras/{camera}")
    cpu = (after.cpu - before.cpu) / passed
    return Figures(
        cameras, scene, fps, _mean(state["analysed_fps"] for state in states), _mean(state["fps"] for state in states),
        round(cpu, 3), round(cpu / cameras, 4), max(after.megabytes), len(waits),
        round(statistics.median(waits), 2) if waits else None, round(float(np.percentile(waits, 95)), 2) if waits else None,
    )  # fmt: skip


def _add(client: Client, gallery: str, number: int, scene: str, fps: float) -> str:
    camera = {"gallery": gallery, "name": f"Camera {number}", "kind": "file", "address": f"{scene}.mp4"}
    return client.call_checked("POST", "/cameras", camera | {"repeats": True, "fps": fps})["id"]


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
    """Of those that were decided while they went on: a sighting's id tells when its row was made (UUID version 7)."""
    waits = []
    for row in sightings:
        if row["decision"] != "unusable":
            made = datetime.fromtimestamp((UUID(row["id"]).int >> 80) / 1000, UTC)
            waits.append((made - datetime.fromisoformat(row["first_seen"])).total_seconds())
    return waits


def table(rows: Sequence[Figures]) -> list[str]:
    lines = ["cameras  scene  wanted/s  analysed/s  received/s  cores  per camera  MB    to name: median, p95 (s)"]
    for row in rows:
        name = f"{row.median_seconds_to_name}, {row.p95_seconds_to_name}" if row.sightings else "–"
        lines.append(
            f"{row.cameras:7}  {row.scene:5}  {row.wanted_fps:8}  {row.analysed_fps:10}  {row.received_fps:10}  "
            f"{row.cpu:5.2f}  {row.cpu_per_camera:10.3f}  {row.megabytes:4}  {name}"
        )
    return lines
