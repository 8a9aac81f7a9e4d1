"""Recognise, detect and read calls by 1, 8, 32 clients, the bare engine in turns with them; and a long run."""

import statistics
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import cv2

from recognition.engine import builtin_faces
from recognition.lab.bench.api.bare_engine import BareEngine
from recognition.lab.bench.api.client import CallFailed, Client, form
from recognition.lab.bench.api.load import Call, Turn, drive
from recognition.lab.bench.api.platform import RunningPlatform
from recognition.lab.bench.api.processes import Usage, megabytes, spent
from recognition.lab.bench.engine import BenchError

WAIT = {"Prefer": "wait=30"}
WARM_UP = 1.0  # seconds at most, before each measurement
FIRST_LOOK = 30.0  # seconds into a long run, when memory is looked at first
DRAWN = 8


@dataclass(frozen=True, slots=True)
class Row:
    """Times in ms. added_ms: median beyond the engine. cpu_ms: a call, by part. engine_ratio: of this rate to the bare
    engine's, in turns before and after; engine_cpu_ms: the bare engine's a photo."""

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
    """Drawn faces that the default pack's detector takes for faces, each in a photo of 640x480; JPEG."""
    faces = builtin_faces.faces(2 * DRAWN, 240, seed=0)[::2]
    found = []
    for number, face in enumerate(faces):
        photo = cv2.GaussianBlur(builtin_faces.scene(640, 480, seed=number), (0, 0), 40)
        photo[120:360, 200:440] = face
        found.append(cv2.imencode(".jpg", photo[..., ::-1])[1].tobytes())
    return found


@contextmanager
def prepared(platform: RunningPlatform, photos: Sequence[bytes], gallery: str | None) -> Iterator[dict[str, Call]]:
    """Enrols the photos, a person each, in `gallery` or a new one; gives the calls by name. Tidies up after itself."""
    client = platform.connect()
    try:
        slug = gallery or client.set_up("POST", "/galleries", {"name": f"Bench {uuid.uuid4().hex[:8]}"})["slug"]
    except CallFailed as error:
        raise BenchError(f"No gallery could be made for the bench: {error}") from error
    try:
        yield _calls(slug, _enrol(client, slug, photos), photos)
    finally:
        if not gallery:
            client.set_up("DELETE", f"/galleries/{slug}")
        client.close()


def _enrol(client: Client, slug: str, photos: Sequence[bytes]) -> list[str]:
    """The people's ids. Raises BenchError where no photo was taken."""
    people, reasons = [], []
    for number, photo in enumerate(photos):
        person = client.set_up("POST", "/identities", {"gallery": slug, "name": f"Person {number}"})["id"]
        data, headers = form({"photos": photo})
        answer = client.call("POST", f"/identities/{person}/samples", data, headers | WAIT)
        (people if answer.status == 201 else reasons).append(person if answer.status == 201 else answer.body)
    if not people:
        raise BenchError(f"None of the photos could be enrolled: {reasons[:1]}. Give others with --photos.")
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
    """One kind of call by so many clients."""
    drive(platform.connect, [call], clients=clients, seconds=min(WARM_UP, seconds))
    before_engine = engine.turn(seconds / 2) if engine else None
    before = _usage(platform)
    turn = drive(platform.connect, [call], clients=clients, seconds=seconds)
    after = _usage(platform)
    rates = [before_engine, engine.turn(seconds / 2)] if engine else []
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
        cpu_ms=spent(before, after, len(turn.ms)),
        engine_ratio=round(turn.rate / statistics.mean(rate for rate, _ in rates), 2) if rates else None,
        engine_cpu_ms=round(statistics.mean(cpu for _, cpu in rates), 1) if rates else None,
    )


def soak(
    platform: RunningPlatform,
    calls: Sequence[Call],
    *,
    clients: int,
    minutes: float,
    say: Callable[[str], object],
) -> dict:
    """All kinds of calls mixed, for minutes: errors, and each process's memory at the start, in the middle, at the end."""
    seconds = minutes * 60
    first = min(FIRST_LOOK, seconds / 10)
    turns, memory = [], {}
    for moment, part in (("start", first), ("middle", seconds / 2 - first), ("end", seconds / 2)):
        turns.append(drive(platform.connect, calls, clients=clients, seconds=part))
        memory[moment] = megabytes(_usage(platform))
        say(f"{moment}: {turns[-1].rate:.1f} calls/s, errors {dict(turns[-1].errors)}, MB {memory[moment]}")
    whole = Turn(sum(turn.seconds for turn in turns))
    for turn in turns:
        whole.ms += turn.ms
        whole.errors += turn.errors
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
    """For people."""
    lines = [
        f"{'call':10}{'clients':>8}{'calls/s':>9}{'p50':>8}{'p95':>8}{'p99':>8}{'errors':>8}"
        f"{'added':>8}{'outside':>9}{'x engine':>10}  CPU ms a call"
    ]
    for row in rows:
        outside = "" if row.outside_engine is None else f"{row.outside_engine:.0%}"
        spent_by = ", ".join(f"{part} {value}" for part, value in row.cpu_ms.items())
        engine = f"; bare engine {row.engine_cpu_ms}" if row.engine_cpu_ms else ""
        lines.append(
            f"{row.call:10}{row.clients:8}{row.a_second:9.1f}{_(row.p50):>8}{_(row.p95):>8}{_(row.p99):>8}"
            f"{sum(row.errors.values()):8}{_(row.added_ms):>8}{outside:>9}{_(row.engine_ratio):>10}  {spent_by}{engine}"
        )
        lines += [f"  {error}: {count}" for error, count in row.errors.items()]
    return lines


def _(value: float | None) -> str:
    return "" if value is None else str(value)
