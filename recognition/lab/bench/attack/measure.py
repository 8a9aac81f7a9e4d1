"""Each attack on one platform: honest callers without and with it, in turns; then a table."""

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from recognition.lab.bench.api.client import form
from recognition.lab.bench.api.measure import enrol
from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.api.processes import web_of
from recognition.lab.bench.attack.honest import Errand, Noticed, run_errands, settle
from recognition.lab.bench.attack.target import Target
from recognition.lab.bench.attack.watch import Watch
from recognition.lab.bench.child import Child
from recognition.lab.bench.engine import BenchError

ROUNDS = 2
MODULE = "recognition.lab.bench.attack.attacker"


@dataclass(frozen=True, slots=True)
class Seen:
    """What honest callers noticed of one kind of call: ms without and with the attack. failed: with it, by status."""

    call: str
    p50: float | None
    p95: float | None
    p50_attacked: float | None
    p95_attacked: float | None
    answered: int
    failed: dict[str, int]

    @property
    def ratio(self) -> float | None:
        return round(self.p95_attacked / self.p95, 2) if self.p95 and self.p95_attacked else None


@dataclass(frozen=True, slots=True)
class Row:
    """One attack. answers: to the attackers, by status. attacker_cpu: seconds of processor time that it took itself.

    web_mb: the most memory of a web process; before: without the attack. spooled_mb: in files that it held open.
    """

    attack: str
    answers: dict[str, int]
    seen: list[Seen]
    web_mb_before: int
    web_mb: int
    spooled_mb: int
    disk_mb: int
    attacker_cpu: float

    def as_dict(self) -> dict:
        return asdict(self) | {"seen": [asdict(seen) | {"ratio": seen.ratio} for seen in self.seen]}


@contextmanager
def prepared_target(platform: OwnPlatform, photos: Sequence[bytes]) -> Iterator[Target]:
    """A gallery with people in it. Raises BenchError."""
    client = platform.connect()
    gallery = client.call_checked("POST", "/galleries", {"name": "Attacked"})["slug"]
    enrol(client, gallery, photos)
    client.close()
    with tempfile.NamedTemporaryFile(suffix=".jpg") as photo:
        photo.write(photos[0])
        photo.flush()
        yield Target(platform.port, platform.key, gallery, str(platform.folder), platform.pid, photo.name,
                     platform.environment)  # fmt: skip


def measure(name: str, target: Target, seconds: float) -> Row:
    """The attack in ROUNDS turns, each after one of as long without it. Raises BenchError."""
    child = Child([sys.executable, "-m", MODULE, name], os.environ)
    try:
        child.write_line(json.dumps(asdict(target)))
        ready = _read(child, name)
        return _measure(name, target, child, ready["port"] or target.port, ready["web"], seconds / ROUNDS)
    finally:
        child.finish()


def _measure(name: str, target: Target, child: Child, port: int, web: int | None, seconds: float) -> Row:
    errands = _errands(target)
    quiet, attacked = ({errand.name: Noticed() for errand in errands} for _ in range(2))

    def pids() -> list[int]:
        return [web] if web else web_of(target.supervisor)

    answers, cpu = Counter[str](), 0.0
    before: list[Watch] = []
    seen: list[Watch] = []
    for _ in range(ROUNDS):
        settle(port, errands)
        with Watch(Path(target.folder), pids) as watch:
            run_errands(port, errands, seconds, quiet)
        before.append(watch)
        with Watch(Path(target.folder), pids) as watch:
            child.write_line(str(seconds))
            run_errands(port, errands, seconds, attacked)
            report = _read(child, name)
        seen.append(watch)
        answers += Counter(report["answers"])
        cpu += report["cpu"]
    return Row(
        attack=name,
        answers=dict(answers),
        seen=[_seen(errand.name, quiet[errand.name], attacked[errand.name]) for errand in errands],
        web_mb_before=max(watch.web_mb for watch in before),
        web_mb=max(watch.web_mb for watch in seen),
        spooled_mb=max(watch.spooled_mb for watch in seen),
        disk_mb=max(watch.disk_mb for watch in seen),
        attacker_cpu=round(cpu, 1),
    )


def _errands(target: Target) -> list[Errand]:
    body, kind = form({"photo": Path(target.photo).read_bytes()}, gallery=target.gallery)
    recognise = target.headers | kind | {"Prefer": "wait=30"}
    return [
        Errand("me", "GET", "/api/v1/me", 0.2, 200, target.headers),
        Errand("recognise", "POST", "/api/v1/recognitions", 1.0, 201, recognise, body),
        Errand("live", "GET", "/health/live", 0.5, 200),
    ]


def _seen(call: str, quiet: Noticed, attacked: Noticed) -> Seen:
    return Seen(
        call=call,
        p50=quiet.percentile(50),
        p95=quiet.percentile(95),
        p50_attacked=attacked.percentile(50),
        p95_attacked=attacked.percentile(95),
        answered=len(attacked.ms),
        failed=dict(attacked.failed),
    )


def _read(child: Child, name: str) -> dict:
    line = child.read_line()
    if not line:
        raise BenchError(f"The attack “{name}” ended early:\n{child.end()[-800:]}")
    return json.loads(line)


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table to print."""
    lines = [f"{'attack':14}{'call':>10}{'p50':>9}{'p95':>9}{'with: p50':>11}{'p95':>9}{'ratio':>7}  failed"]
    for row in rows:
        for number, seen in enumerate(row.seen):
            times = (seen.p50, seen.p95, seen.p50_attacked, seen.p95_attacked, seen.ratio)
            cells = "".join(
                f"{'-' if time is None else time:>{width}}" for time, width in zip(times, (9, 9, 11, 9, 7), strict=True)
            )
            lines.append(f"{'' if number else row.attack:14}{seen.call:>10}{cells}  {_counts(seen.failed)}")
        lines.append(
            f"  answers to attackers: {_counts(row.answers)}; web {row.web_mb_before} → {row.web_mb} MB, "
            f"open files {row.spooled_mb} MB, disk +{row.disk_mb} MB, attackers' own CPU {row.attacker_cpu} s"
        )
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{word} × {count}" for word, count in sorted(counts.items()))
