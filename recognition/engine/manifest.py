"""A model pack's manifest: its parts, its licence, and how to read its distances. Imports no MXNet.

A pack is a folder of manifest.json and, for each net, NAME-symbol.json and NAME-0000.params.
"""

import bisect
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from recognition.engine.texts import gettext_noop

METRICS = ("L2", "cosine")
COLOURS = ("rgb", "bgr")
GALLERY_SIZES = [mantissa * 10**power for power in range(1, 6) for mantissa in (1, 2, 5)]  # faces
ADVISED_TAR = 0.95  # the share of photos of enrolled people in which they are to be recognised
LARGEST = 1e12  # number in a manifest
Made = TypeVar("Made")
BEYOND_PAIRS = 10  # times fewer strangers than the measured impostor pairs could show


class PackError(Exception):
    """A pack cannot be used or made. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class SizeThreshold:
    """distance: L2. extrapolated: whether the FAR it stands for is lower than the pack's measured pairs can show."""

    distance: float
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json holds. See docs/models.md.

    detector: mtcnn, scrfd or yunet. embedder: the net's name, for people. alignment: of the chip, see engine/align.py.
    colours, mean, std: a chip's pixels, 0–255, enter the net as (x - mean) / std, in this order of colours.
    metric: "L2" for vectors as they come, "cosine" for vectors of unit length; both are compared by L2 distance.
    files: file name → sha256.
    sources: {"part", "file", "sha256", "licence"} each, and "package" and "version", or "url".
    far_curve: [distance, FAR, TAR] rows in ascending order, measured on `far_pairs` {"genuine", "impostor"} pairs of the
    photos that `measured_on` names; empty if nobody has measured it yet. A FAR of 0 means that no pair showed one.
    score_slope: steepness of the score, per unit of distance.
    probe_views: of a face that is looked for: 1, or 2 for its mirror image too. Both kinds of vectors can be compared.
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
    probe_views: int = 2

    @property
    def embedding_id(self) -> str:
        """Identifies the kind of vectors a pack makes: those of packs with the same id can be compared."""
        nets = {name: digest for name, digest in self.files.items() if name.startswith("embedder-")}
        made_by = [self.alignment, self.colours, self.mean, self.std, self.metric, self.dim, nets]
        return hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """A sha256 over the pack's files: tells apart packs that have had the same name."""
        listed = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return hashlib.sha256(listed.encode()).hexdigest()

    def score(self, distance: float, threshold: float) -> float:
        """Rates for people to read how alike two faces are: 0–1, falling with the distance, 0.5 at the threshold."""
        return 1.0 / (1.0 + math.exp(min(self.score_slope * (distance - threshold), 700.0)))

    def size_threshold(self, faces: int, fpir: float = 0.01) -> SizeThreshold:
        """Returns the distance at which a stranger is mistaken for one of `faces` enrolled faces with probability `fpir`.

        Solves FPIR = 1 - (1 - FAR)^N for the FAR and reads the distance from the FAR curve. Never exceeds the 1:1 threshold.
        """
        far = _far_among(faces, fpir)
        if not any(measured > 0 for _, measured, _ in self.far_curve):
            return SizeThreshold(_guessed_distance(far, self.threshold_1to1), True)
        distance, extrapolated = _distance_at(far, self.far_curve)
        return SizeThreshold(min(distance, self.threshold_1to1), extrapolated)

    def tar_at(self, distance: float) -> float | None:
        """The share of photos of enrolled people that lie within `distance`; None where nobody has measured it."""
        if not self.far_curve or distance < self.far_curve[0][0]:
            return None
        tars = [row[2] for row in self.far_curve]
        nearest = bisect.bisect_right([row[0] for row in self.far_curve], distance)
        if nearest == len(tars):
            return tars[-1]
        (d0, _, t0), (d1, _, t1) = self.far_curve[nearest - 1 : nearest + 1]
        return t0 + (t1 - t0) * (distance - d0) / (d1 - d0)

    def tar_among(self, faces: int, fpir: float = 0.01) -> float | None:
        """The TAR that goes with an FPIR of `fpir` in a gallery of `faces` faces; None where nobody has measured it."""
        return self.tar_at(self.size_threshold(faces, fpir).distance)

    def advised_faces(self) -> int:
        """Up to how many faces a gallery may have for enrolled people to be recognised in ADVISED_TAR of their photos at an
        FPIR of 1 %; 0 if nobody has measured the pack. Never trusts the curve further than BEYOND_PAIRS beyond its pairs."""
        if not self.far_curve:
            return 0
        lowest = 1 / (BEYOND_PAIRS * self.far_pairs["impostor"])
        sizes = [size for size in GALLERY_SIZES if _far_among(size, 0.01) >= lowest]
        return max((size for size in sizes if (self.tar_among(size) or 0) >= ADVISED_TAR), default=0)


def _far_among(faces: int, fpir: float) -> float:
    """The FAR that gives `fpir` among so many faces."""
    return 1.0 - (1.0 - fpir) ** (1.0 / max(faces, 1))


def _distance_at(far: float, curve: Sequence[Sequence[float]]) -> tuple[float, bool]:
    """Returns the distance at which the curve has the FAR `far`, and whether that is below the lowest FAR measured.

    Between its points, log(FAR) is taken as linear in the distance. Below the lowest, a decade of FAR is assumed to cost
    twice the distance that the lowest measured decade cost, to be on the safe side; an eighth of the lowest distance where
    the curve has no whole decade.
    """
    points = [(distance, math.log10(measured)) for distance, measured, _ in curve if measured > 0]
    rate = math.log10(far)
    if rate >= points[-1][1]:
        return points[-1][0], False
    for (d0, r0), (d1, r1) in itertools.pairwise(points):
        if r0 <= rate <= r1:
            return d0 + (d1 - d0) * (rate - r0) / (r1 - r0), False
    d0, r0 = points[0]
    d1, r1 = next((point for point in points[1:] if point[1] >= r0 + 1), (d0 * 17 / 16, r0 + 1))
    return max(d0 - 2 * (r0 - rate) * (d1 - d0) / (r1 - r0), 0.0), True


def _guessed_distance(far: float, threshold_1to1: float) -> float:
    """For a pack nobody has measured: assumes a FAR of 1e-2 at the 1:1 threshold, and an eighth of it for each decade less.

    That is on the safe side: the nets we have measured have at most 1e-3 there, and a decade costs a fifteenth.
    """
    decades = max(math.log10(1e-2 / far), 0.0)
    return max(threshold_1to1 * (1 - decades / 8), 0.0)


def load_manifest(pack_dir: Path) -> Manifest:
    """Reads a pack's manifest.json. Raises PackError if it is missing or damaged."""
    return read_manifest(pack_dir / "manifest.json", lambda content: Manifest(**_checked_fields(content)))


def read_manifest(path: Path, made_of: Callable[[dict[str, Any]], Made]) -> Made:
    """Makes something of the JSON in a pack's folder. Raises PackError if it is missing or damaged."""
    try:
        return made_of(json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError) as error:
        pack_dir = path.parent
        message = gettext_noop("There is no pack in %(folder)s. Run: manage.py packs install %(pack)s")
        raise PackError(message % {"folder": pack_dir, "pack": pack_dir.name}) from error
    except OSError as error:
        raise PackError(_cannot_be_read(path, error)) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = gettext_noop(
            "%(path)s is damaged (%(error)s). Install it again: manage.py packs install %(pack)s --force"
        )
        raise PackError(message % {"path": path, "error": error, "pack": path.parent.name}) from error


def _checked_fields(content: dict[str, Any]) -> dict[str, Any]:
    for field in fields(Manifest):
        if field.name in content and not _is_a(content[field.name], field.type):
            raise ValueError(f"{field.name} is not what it should be")
    if content["metric"] not in METRICS or content["colours"] not in COLOURS:
        raise ValueError(f"metric {content['metric']}, colours {content['colours']}")
    if min(content["std"]) <= 0 or len(content["mean"]) != 3 or len(content["std"]) != 3:
        raise ValueError("mean and std are three numbers each, std above 0")
    if content.get("probe_views", 2) not in (1, 2):
        raise ValueError(f"probe_views {content['probe_views']}")
    if any(len(row) != 3 for row in content["far_curve"]) or (
        content["far_curve"] and not content["far_pairs"]["impostor"]
    ):
        raise ValueError("far_curve has rows of distance, FAR and TAR, measured on pairs of impostors")
    if any(Path(name).name != name for name in content["files"]):
        raise ValueError("a file of it is not in the pack's folder")
    return content


def _is_a(value: Any, kind: Any) -> bool:
    """Whether a value of JSON is of a type such as dict[str, int]; numbers that are none (NaN) are of no type."""
    whole, parts = get_origin(kind) or kind, get_args(kind)
    if whole is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
    if not isinstance(value, whole) or (whole is int and (isinstance(value, bool) or abs(value) >= LARGEST)):
        return False
    if whole is dict:
        return all(_is_a(key, parts[0]) and _is_a(item, parts[1]) for key, item in value.items())
    return whole is not list or all(_is_a(item, parts[0]) for item in value)


def verify_pack(pack_dir: Path) -> Manifest:
    """Checks the sha256 of every file of the pack. Raises PackError that names the first missing or damaged one."""
    manifest = load_manifest(pack_dir)
    check_files(pack_dir, manifest.files)
    return manifest


def check_files(pack_dir: Path, files: dict[str, str]) -> None:
    """Checks files of a pack, file name → sha256. Raises PackError that names the first missing or damaged one."""
    for name, expected in files.items():
        path = pack_dir / name
        if not path.is_file():
            message = gettext_noop("%(path)s is missing. Install it again: manage.py packs install %(pack)s --force")
            raise PackError(message % {"path": path, "pack": pack_dir.name})
        try:
            found = sha256_of(path)
        except OSError as error:
            raise PackError(_cannot_be_read(path, error)) from error
        if found != expected:
            message = gettext_noop(
                "%(path)s is damaged: its sha256 is not the manifest's. Install it again: manage.py packs install %(pack)s "
                "--force"
            )
            raise PackError(message % {"path": path, "pack": pack_dir.name})


def write_manifest(manifest: Manifest, pack_dir: Path) -> None:
    (pack_dir / "manifest.json").write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_be_read(path: Path, error: OSError) -> str:
    message = gettext_noop("%(path)s cannot be read (%(error)s). Let the user who runs this read the folder of packs.")
    return message % {"path": path, "error": error.strerror}
