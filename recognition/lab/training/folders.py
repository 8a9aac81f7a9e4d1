"""A folder for each person, made a training set: faces found, aligned, and kept as train.rec, once."""

import csv
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from recognition.engine.align import ALIGNMENTS
from recognition.engine.manifest import Manifest, verify_pack
from recognition.engine.pipeline import Pipeline
from recognition.lab.evaluation.embedding import Unusable
from recognition.lab.evaluation.pack import aligned_faces
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import RecordFaces, read_records, write_records
from recognition.packs.install import replace_folder

ALIGNMENT = ALIGNMENTS["arcface-112"]
JPEG_QUALITY = 95
Done = Callable[[int, int], object]


@dataclass(slots=True)
class Aligned:
    """What aligning gave. chips: person and JPEG. photos: of each chip. refused: photo and reason."""

    chips: list[tuple[int, bytes]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def open_faces(path: Path, cache: Path, pack_dir: Path, done: Done = lambda number, of: None) -> RecordFaces:
    """The set in `path`: train.rec, or a folder for each person, aligned once and kept in `cache`.

    pack_dir: of the pack whose detector finds the faces. done: hears how many photos of how many are through. Raises
    TrainingError, PackError.
    """
    if (path / "train.rec").exists():
        return read_records(path)
    photos = list(_photos(path))
    if len({person for person, _ in photos}) < 2:
        raise TrainingError(
            f"{path} is no training set: give a folder with train.rec, train.idx and property, or one with a folder of "
            "photos for each of two people and more."
        )
    return _aligned(path, photos, cache, pack_dir, done)


def _photos(folder: Path) -> Iterator[tuple[str, Path]]:
    """Person and photo, in order."""
    for photo in sorted(path for path in folder.glob("*/*") if path.is_file()):
        yield photo.parent.name, photo


def _aligned(folder: Path, photos, cache: Path, pack_dir: Path, done: Done) -> RecordFaces:
    kept = cache / f"{folder.resolve().name}-{_fingerprint(photos, verify_pack(pack_dir))}"
    if not (kept / "property").exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".aligning-") as scratch:
            made = Path(scratch) / "set"
            made.mkdir()
            _write(made, folder, _align(folder, photos, Pipeline.load(pack_dir, precision="fp32"), done))
            shutil.rmtree(kept, ignore_errors=True)
            replace_folder(made, kept)
    return read_records(kept)


def _fingerprint(photos: list[tuple[str, Path]], manifest: Manifest) -> str:
    """Other photos, sizes, dates or another detector make another set."""
    digest = hashlib.sha256()
    detector = [sha for name, sha in sorted(manifest.files.items()) if not name.startswith("embedder")]
    digest.update("".join(detector).encode())
    for person, photo in photos:
        stat = photo.stat()
        digest.update(f"{person}/{photo.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _align(folder: Path, photos: list[tuple[str, Path]], pipeline: Pipeline, done: Done) -> Aligned:
    found, people = Aligned(), {}
    for number, (person, photo) in enumerate(photos, 1):
        name = str(photo.relative_to(folder))
        [chip] = aligned_faces(pipeline, [photo.read_bytes()], ALIGNMENT)
        if isinstance(chip, Unusable):
            found.refused.append((name, chip.reason))
        else:
            found.chips.append((people.setdefault(person, len(people)), _jpeg(chip)))
            found.photos.append(name)
        done(number, len(photos))
    if len(people) < 2:
        raise TrainingError(
            f"Faces were found of {len(people)} people in {folder}; two are needed and more. The first photo without "
            f"one: {found.refused[0] if found.refused else 'none'}."
        )
    return found


def _jpeg(chip: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", chip[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _write(made: Path, folder: Path, found: Aligned) -> None:
    people = found.chips[-1][0] + 1
    write_records(made, found.chips, people)
    with (made / "photos.csv").open("w", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "person", "photo"])
        writer.writerows(
            [key, person, photo]
            for key, ((person, _), photo) in enumerate(zip(found.chips, found.photos, strict=True), 1)
        )
    with (made / "refused.csv").open("w", newline="", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "reason"])
        writer.writerows(found.refused)
