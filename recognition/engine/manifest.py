"""A model pack's manifest: what it is made of, under which licence, and how its distances are read. No MXNet here.

A pack is a folder: manifest.json and, for each net, NAME-symbol.json and NAME-0000.params.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

METRICS = ("L2", "cosine")
COLOURS = ("rgb", "bgr")


class PackError(Exception):
    """A pack cannot be used or made. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SizeThreshold:
    """distance: L2. extrapolated: the wanted FAR lies beyond the pairs the pack was measured on."""

    distance: float
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """See docs/models.md.

    detector: mtcnn or scrfd. embedder: the net's name, for people. alignment: of the chip, see engine/align.py.
    colours, mean, std: a chip's pixels, 0–255, enter the net as (x - mean) / std, in this order of colours.
    metric: "L2", vectors as they come, or "cosine", vectors of unit length; L2 orders both.
    files: file name → sha256.
    sources: {"part", "file", "sha256", "licence"} each, and "package" and "version", or "url".
    far_curve: [distance, FAR, TAR] rows, ascending, of `far_pairs` {"genuine", "impostor"} pairs `measured_on`; empty
    where nobody has measured it yet.
    score_slope: steepness of the score, per unit of distance.
    """

    name: str
    title: str
    detector: str
    embedder: str
    dim: int
    alignment: str
    colours: str
    mean: list[float]
    std: list[float]
    metric: str
    licence: str
    commercial_use: bool
    sources: list[dict[str, str]]
    files: dict[str, str]
    threshold_1to1: float
    score_slope: float
    far_curve: list[list[float]]
    far_pairs: dict[str, int]
    measured_on: str

    @property
    def embedding_id(self) -> str:
        """Says which vectors a pack makes: those of packs with the same id can be compared."""
        nets = {name: digest for name, digest in self.files.items() if name.startswith("embedder-")}
        made_by = [self.alignment, self.colours, self.mean, self.std, self.metric, self.dim, nets]
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """A sha256 of the pack's files: tells packs apart that bore the same name."""
        listed = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return hashlib.sha256(listed.encode()).hexdigest()

    def score(self, distance: float, threshold: float) -> float:
        """How alike two faces are, for people to read: 0–1, falling with the distance, 0.5 at the threshold."""
        return 1.0 / (1.0 + math.exp(min(self.score_slope * (distance - threshold), 700.0)))

    def size_threshold(self, faces: int, fpir: float = 0.01) -> SizeThreshold:
        """The distance at which a stranger is taken for one of `faces` enrolled faces with probability `fpir`.

        FPIR = 1 - (1 - FAR)^N, read from the FAR curve; never looser than the 1:1 threshold.
        """
        far = 1.0 - (1.0 - fpir) ** (1.0 / max(faces, 1))
        if not self.far_curve:
            return SizeThreshold(_unmeasured(far, self.threshold_1to1), True)
        distance, extrapolated = _distance_at(far, self.far_curve)
        return SizeThreshold(min(distance, self.threshold_1to1), extrapolated)


def _distance_at(far: float, curve: Sequence[Sequence[float]]) -> tuple[float, bool]:
    """Reads the curve backwards, log(FAR) linear in distance between its points; and whether that left its support.

    Below the smallest FAR measured we go on conservatively: a decade less of FAR costs twice the distance that the
    lowest measured decade cost.
    """
    points = [(distance, math.log10(rate)) for distance, rate, _ in curve if rate > 0]
    wanted = math.log10(far)
    if wanted >= points[-1][1]:
        return points[-1][0], False
    for (d0, r0), (d1, r1) in itertools.pairwise(points):
        if r0 <= wanted <= r1:
            return d0 + (d1 - d0) * (wanted - r0) / (r1 - r0), False
    (d0, r0), (d1, r1) = points[0], next(point for point in points[1:] if point[1] >= points[0][1] + 1)
    return max(d0 - 2 * (r0 - wanted) * (d1 - d0) / (r1 - r0), 0.0), True


def _unmeasured(far: float, threshold_1to1: float) -> float:
    """A guess on the safe side: that threshold has the FAR 1e-2, and each decade below costs an eighth of it.

    The nets we have measured are better: 1e-3 and less there, and a decade costs a fifteenth.
    """
    decades = max(math.log10(1e-2 / far), 0.0)
    return max(threshold_1to1 * (1 - decades / 8), 0.0)


def load_manifest(pack_dir: Path) -> Manifest:
    """Reads manifest.json. Raises PackError."""
    try:
        return Manifest(**_fields(json.loads((pack_dir / "manifest.json").read_text())))
    except FileNotFoundError as error:
        raise PackError(f"There is no pack in {pack_dir}. Run: manage.py packs install {pack_dir.name}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise PackError(f"{pack_dir / 'manifest.json'} is damaged ({error}). {_mend(pack_dir)}") from error


def _fields(content: dict) -> dict:
    if content["metric"] not in METRICS or content["colours"] not in COLOURS:
        raise ValueError(f"metric {content['metric']}, colours {content['colours']}")
    if min(content["std"]) <= 0 or len(content["mean"]) != 3 or len(content["std"]) != 3:
        raise ValueError("mean and std are three numbers each, std above 0")
    return content


def verify_pack(pack_dir: Path) -> Manifest:
    """Checks the sha256 of every file of the pack. Raises PackError naming the first that differs."""
    manifest = load_manifest(pack_dir)
    for name, expected in manifest.files.items():
        path = pack_dir / name
        if not path.is_file():
            raise PackError(f"{path} is missing. {_mend(pack_dir)}")
        if sha256_of(path) != expected:
            raise PackError(f"{path} is damaged: its sha256 is not the manifest's. {_mend(pack_dir)}")
    return manifest


def write_manifest(manifest: Manifest, pack_dir: Path) -> None:
    (pack_dir / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mend(pack_dir: Path) -> str:
    return f"Install it again: manage.py packs install {pack_dir.name} --force"
