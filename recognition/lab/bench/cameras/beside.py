"""What people who wait for a photo notice of cameras: recognitions through the API with cameras, against without."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recognition.lab.bench.api.load import Turn, drive
from recognition.lab.bench.api.measure import prepared_calls
from recognition.lab.bench.api.platform import OwnPlatform
from recognition.lab.bench.cameras.measure import Load, Running
from recognition.lab.bench.engine import BenchError

WARM_UP = 3.0  # seconds


@dataclass(frozen=True, slots=True)
class Beside:
    """Milliseconds of a recognition. Without is measured before and after, and both count."""

    cameras: int
    clients: int
    p50_without: float
    p95_without: float
    p50_with: float
    p95_with: float
    analysed_fps: float

    @property
    def slower(self) -> float:
        """By how much the 95th percentile is higher, as a share."""
        return self.p95_with / self.p95_without - 1

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"slower": round(self.slower, 3)}

    def __str__(self) -> str:
        return (
            f"recognitions by {self.clients} clients, ms: without cameras p50 {self.p50_without}, p95 {self.p95_without}; "
            f"beside {self.cameras} cameras p50 {self.p50_with}, p95 {self.p95_with} ({self.slower:+.0%}); "
            f"the cameras analysed {self.analysed_fps} pictures a second each"
        )


def beside(platform: OwnPlatform, load: Load, photos: Sequence[bytes], *, clients: int, seconds: float) -> Beside:
    """photos: JPEGs to be recognised. Raises BenchError."""
    with prepared_calls(platform, photos, None) as calls:

        def turn(length: float) -> Turn:
            return drive(platform.connect, [calls["recognise"]], clients=clients, seconds=length)

        turn(WARM_UP)
        before = turn(seconds / 2)
        with Running(platform, load) as running:
            turn(WARM_UP)
            during = turn(seconds)
            rates = [state["analysed_fps"] or 0.0 for state in running.states()]
        turn(WARM_UP)
        after = turn(seconds / 2)
    without = Turn(seconds, before.ms + after.ms)
    if not (without.ms and during.ms):
        raise BenchError("No recognition was answered.")
    return Beside(
        load.cameras, clients, without.percentile(50) or 0, without.percentile(95) or 0, during.percentile(50) or 0,
        during.percentile(95) or 0, round(sum(rates) / max(len(rates), 1), 2),
    )  # fmt: skip
