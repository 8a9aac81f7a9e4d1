"""Makes a training set from a folder for each person: finds and aligns the faces once, and keeps them as train.rec."""

import csv
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from recognition.engine.align import ALIGNMENTS
from recognition.engine.manifest import Manifest, verify_pack
from recognition.engine.pipeline import Pipeline
from recognition.lab.evaluation.embedding import OnProgress, Unusable
from recognition.lab.evaluation.pack import aligned_faces
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import RecordFaces, read_records, write_records
from recognition.packs.install import replace_folder

ALIGNMENT = ALIGNMENTS["arcface-112"]
JPEG_QUALITY = 95


@dataclass(slots=True)
class AlignedPhotos:
    """chips: (person, JPEG) each. photos: the photo of each chip. refused: (photo, reason) each."""

    chips: list[tuple[int, bytes]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def open_faces(path: Path, cache: Path, pack_dir: Path, progress: OnProgress = lambda done, total: None) -> RecordFaces:
    """Opens the set in `path`: train.rec, or a folder for each person, which is aligned once and kept in `cache`.

    pack_dir: of the pack whose detector finds the faces. progress: called with how many photos are done, and how many there
    are. Raises TrainingError, PackError.
    """
    if (path / "train.rec").exists():
        return read_records(path)
    photos = list(_photos(path))
    if len({person for person, _ in photos}) < 2:
        raise TrainingError(
            f"{path} is not a training set. Give a folder with train.rec, train.idx and property, or one with a folder of "
            "photos for each person, of at least two."
        )
    return _cached_or_aligned(path, photos, cache, pack_dir, progress)


def _photos(folder: Path) -> Iterator[tuple[str, Path]]:
    """(person, photo) each, ordered by path."""
    for photo in sorted(path for path in folder.glob("*/*") if path.is_file()):
        yield photo.parent.name, photo


def _cached_or_aligned(
    folder: Path, photos: list[tuple[str, Path]], cache: Path, pack_dir: Path, progress: OnProgress
) -> RecordFaces:
    cached = cache / f"{folder.resolve().name}-{_fingerprint(photos, verify_pack(pack_dir))}"
    if not (cached / "property").exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".aligning-") as scratch:
            made = Path(scratch) / "set"
            made.mkdir()
            _write_set(made, _align(folder, photos, Pipeline.load(pack_dir, precision="fp32"), progress))
            shutil.rmtree(cached, ignore_errors=True)
            replace_folder(made, cached)
    return read_records(cached)


def _fingerprint(photos: list[tuple[str, Path]], manifest: Manifest) -> str:
    """Changes with the photos' names, sizes and dates, and with the detector."""
    digest = hashlib.sha256()
    detector = [sha for name, sha in sorted(manifest.files.items()) if not name.startswith("embedder")]
    digest.update("".join(detector).encode())
    for person, photo in photos:
        stat = photo.stat()
        digest.update(f"{person}/{photo.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _align(folder: Path, photos: list[tuple[str, Path]], pipeline: Pipeline, progress: OnProgress) -> AlignedPhotos:
    aligned = AlignedPhotos()
    people: dict[str, int] = {}
    for number, (person, photo) in enumerate(photos, 1):
        name = str(photo.relative_to(folder))
        [chip] = aligned_faces(pipeline, [photo.read_bytes()], ALIGNMENT)
        if isinstance(chip, Unusable):
            aligned.refused.append((name, chip.reason))
        else:
            aligned.chips.append((people.setdefault(person, len(people)), _jpeg(chip)))
            aligned.photos.append(name)
        progress(number, len(photos))
    if len(people) < 2:
        first = f" The first photo without a usable face: {': '.join(aligned.refused[0])}" if aligned.refused else ""
        raise TrainingError(f"Faces of {len(people)} people were found in {folder}; at least two are needed.{first}")
    return aligned


def _jpeg(chip: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", chip[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _write_set(folder: Path, aligned: AlignedPhotos) -> None:
    people = aligned.chips[-1][0] + 1
    write_records(folder, aligned.chips, people)
    with (folder / "photos.csv").open("w", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "person", "photo"])
        writer.writerows(
            [key, person, photo]
            for key, ((person, _), photo) in enumerate(zip(aligned.chips, aligned.photos, strict=True), 1)
        )
    with (folder / "refused.csv").open("w", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "reason"])
        writer.writerows(aligned.refused)
