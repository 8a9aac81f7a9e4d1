"""Measures recognise, detect and read calls by any number of clients, beside the bare engine; and a long run."""

import statistics
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import cv2

from recognition.engine import builtin_faces
from recognition.lab.bench.api.bare_engine import BareEngine
from recognition.lab.bench.api.client import CallFailed, Client, form
from recognition.lab.bench.api.load import Call, drive, merged
from recognition.lab.bench.api.platform import RunningPlatform
from recognition.lab.bench.api.processes import Usage, cpu_ms_per_call, megabytes
from recognition.lab.bench.engine import BenchError

WAIT = {"Prefer": "wait=30"}
WARM_UP = 1.0  # seconds at most, before each measurement
FIRST_MEMORY_READING = 30.0  # seconds into a long run
DRAWN_PHOTOS = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of call by so many clients; all times in ms.

    added_ms: the median that a call took in addition to the engine's time. outside_engine: that as a share, 0–1.
    cpu_ms: processor time per call, by part of the platform. engine_ratio: this rate divided by the bare engine's, which
    runs before and after. engine_cpu_ms: the bare engine's processor time per photo.
    """

    call: str
    clients: int
    calls: int
    a_second: float
    p50: float | None
    p95: float | None
    p99: float | None
    errors: dict[str, int]
    added_ms: float | None
    outside_engine: float | None
    cpu_ms: dict[str, float]
    engine_ratio: float | None = None
    engine_cpu_ms: float | None = None

    def as_dict(self) -> dict:
        return asdict(self)


def drawn_photos() -> list[bytes]:
    """Synthetic faces that the default pack's detector accepts as faces, each in a JPEG of 640x480 px."""
    faces = builtin_faces.faces(2 * DRAWN_PHOTOS, 240, seed=0)[::2]
    jpegs = []
    for number, face in enumerate(faces):
        photo = cv2.GaussianBlur(builtin_faces.scene(640, 480, seed=number), (0, 0), 40)
        photo[120:360, 200:440] = face
        jpegs.append(cv2.imencode(".jpg", photo[..., ::-1])[1].tobytes())
    return jpegs


@contextmanager
def prepared_calls(
    platform: RunningPlatform, photos: Sequence[bytes], gallery: str | None
) -> Iterator[dict[str, Call]]:
    """Enrols each photo as a person in `gallery`, or in a new gallery that is deleted afterwards; the calls by name.

    Raises BenchError if no gallery can be made or no photo can be enrolled.
    """
    client = platform.connect()
    try:
        slug = gallery or client.call_checked("POST", "/galleries", {"name": f"Bench {uuid.uuid4().hex[:8]}"})["slug"]
    except CallFailed as error:
        raise BenchError(f"No gallery could be made for the benchmark: {error}") from error
    try:
        yield _calls(slug, enrol(client, slug, photos), photos)
    finally:
        if not gallery:
            client.call_checked("DELETE", f"/galleries/{slug}")
        client.close()


def enrol(client: Client, slug: str, photos: Sequence[bytes]) -> list[str]:
    """The ids of the people enrolled. Raises BenchError if none of the photos was accepted."""
    people: list[str] = []
    refusals: list[dict] = []
    for number, photo in enumerate(photos):
        person = client.call_checked("POST", "/identities", {"gallery": slug, "name": f"Person {number}"})["id"]
        data, headers = form({"photos": photo})
        answer = client.call("POST", f"/identities/{person}/samples", data, headers | WAIT)
        if answer.status == 201:
            people.append(person)
        else:
            refusals.append(answer.body)
    if not people:
        raise BenchError(f"None of the photos could be enrolled: {refusals[:1]}. Give others with --photos.")
    return people


def _calls(slug: str, people: Sequence[str], photos: Sequence[bytes]) -> dict[str, Call]:
    bodies = []
    for photo in photos:
        data, headers = form({"photo": photo}, gallery=slug)
        bodies.append((data, headers | WAIT))
    return {
        "recognise": Call("recognise", "POST", "/recognitions", bodies, 201),
        "detect": Call("detect", "POST", "/detections", bodies, 201),
        "read": Call("read", "GET", f"/identities/{people[0]}", [(None, {})]),
    }


def measure(platform: RunningPlatform, call: Call, *, clients: int, seconds: float, engine: BareEngine | None) -> Row:
    """Measures one kind of call by so many clients. engine: the bare engine to compare with, if any."""
    drive(platform.connect, [call], clients=clients, seconds=min(WARM_UP, seconds))
    engine_turns = [engine.turn(seconds / 2)] if engine else []
    before = _usage(platform)
    turn = drive(platform.connect, [call], clients=clients, seconds=seconds)
    after = _usage(platform)
    engine_turns += [engine.turn(seconds / 2)] if engine else []
    photos = call.name != "read"
    return Row(
        call=call.name,
        clients=clients,
        calls=len(turn.ms),
        a_second=round(turn.rate, 1),
        p50=turn.percentile(50),
        p95=turn.percentile(95),
        p99=turn.percentile(99),
        errors=dict(turn.errors),
        added_ms=turn.added_ms if photos else None,
        outside_engine=turn.share_outside_engine if photos else None,
        cpu_ms=cpu_ms_per_call(before, after, len(turn.ms)),
        engine_ratio=round(turn.rate / statistics.mean(rate for rate, _ in engine_turns), 2) if engine_turns else None,
        engine_cpu_ms=round(statistics.mean(cpu for _, cpu in engine_turns), 1) if engine_turns else None,
    )


def soak(
    platform: RunningPlatform,
    calls: Sequence[Call],
    *,
    clients: int,
    minutes: float,
    say: Callable[[str], object],
) -> dict:
    """All kinds of calls mixed, for so many minutes; errors, and each process's memory at the start, middle and end."""
    seconds = minutes * 60
    first = min(FIRST_MEMORY_READING, seconds / 10)
    turns, memory = [], {}
    for moment, part in (("start", first), ("middle", seconds / 2 - first), ("end", seconds / 2)):
        turns.append(drive(platform.connect, calls, clients=clients, seconds=part))
        memory[moment] = megabytes(_usage(platform))
        say(f"{moment}: {turns[-1].rate:.1f} calls/s, errors {dict(turns[-1].errors)}, MB {memory[moment]}")
    whole = merged(turns, sum(turn.seconds for turn in turns))
    return {
        "minutes": minutes,
        "clients": clients,
        "calls": len(whole.ms),
        "a_second": round(whole.rate, 1),
        "p50": whole.percentile(50),
        "p99": whole.percentile(99),
        "errors": dict(whole.errors),
        "megabytes": memory,
    }


def _usage(platform: RunningPlatform) -> dict[str, Usage]:
    return platform.processes.usage() if platform.processes else {}


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table to print."""
    lines = [
        f"{'call':10}{'clients':>8}{'calls/s':>9}{'p50':>8}{'p95':>8}{'p99':>8}{'errors':>8}"
        f"{'added':>8}{'outside':>9}{'x engine':>10}  CPU ms a call"
    ]
    for row in rows:
        outside = "" if row.outside_engine is None else f"{row.outside_engine:.0%}"
        spent_by = ", ".join(f"{part} {value}" for part, value in row.cpu_ms.items())
        engine = f"; bare engine {row.engine_cpu_ms}" if row.engine_cpu_ms else ""
        lines.append(
            f"{row.call:10}{row.clients:8}{row.a_second:9.1f}{_cell(row.p50):>8}{_cell(row.p95):>8}{_cell(row.p99):>8}"
            f"{sum(row.errors.values()):8}{_cell(row.added_ms):>8}{outside:>9}{_cell(row.engine_ratio):>10}  {spent_by}{engine}"
        )
        lines += [f"  {error}: {count}" for error, count in row.errors.items()]
    return lines


def _cell(value: float | None) -> str:
    return "" if value is None else str(value)
