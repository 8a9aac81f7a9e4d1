"""Making a verification set: photos searched for a face, aligned to 112 px, and written as InsightFace's .bin."""

import csv
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from recognition.engine.image import encode_jpeg
from recognition.engine.pipeline import Pipeline
from recognition.lab.evaluation.embedding import Chips, Failure, Progress, Unusable, chips_of, crops
from recognition.lab.evaluation.pack import CROPS, aligned_faces
from recognition.lab.evaluation.pairing import Numbered, draw_pairs
from recognition.lab.evaluation.sets import Images, PhotoFiles, SetError, VerificationSet

BATCH = 16
QUALITY = 98  # of the JPEGs: crops are read again and again
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".pgm", ".ppm"}


@dataclass(frozen=True, slots=True)
class Built:
    """What a set was made of. apart: no person is in two folds; None: the pairs were given. dropped: pairs."""

    pairs: list[Numbered]
    photos: int
    people: int | None
    apart: bool | None
    failures: list[Failure]
    dropped: int = 0


def from_folder(
    folder: Path, out: Path, chips: Chips, *, count: int | None, folds: int, seed: int, progress: Progress | None = None
) -> Built:
    """A set of a folder with a folder per person. Raises SetError."""
    images = photos_in(folder)
    jpegs, failures = align_all(images, chips, progress)
    people: dict[str, list[int]] = {}
    for number in jpegs:
        people.setdefault(PurePath(images.label(number)).parts[0], []).append(number)
    pairs, apart = draw_pairs(list(people.values()), count=count, folds=folds, seed=seed)
    write_bin(out, jpegs, pairs)
    return Built(pairs, len(jpegs), len(people), apart, failures)


def photos_in(folder: Path) -> PhotoFiles:
    """PERSON/PHOTO, in the order of their names. Raises SetError."""
    paths = [path for path in sorted(folder.glob("*/*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise SetError(f"There are no photos in {folder}. It needs a folder for each person, with photos in it.")
    return PhotoFiles(folder, [str(path.relative_to(folder)) for path in paths])


def from_pairs(given: VerificationSet, out: Path, chips: Chips, *, progress: Progress | None = None) -> Built:
    """A set of the pairs of a list, in its order, but for those whose photos cannot be used. Raises SetError."""
    jpegs, failures = align_all(given.images, chips, progress)
    listed = zip(given.first.tolist(), given.second.tolist(), given.same.tolist(), strict=True)
    pairs = [(a, b, same) for a, b, same in listed if a in jpegs and b in jpegs]
    if not pairs:
        raise SetError("No pair is left: none of the photos can be used.")
    write_bin(out, jpegs, pairs)
    return Built(pairs, len(jpegs), None, None, failures, dropped=len(given) - len(pairs))


def face_chips(pipeline: Pipeline | None) -> Chips:
    """What makes crops of photos: the pack's detector; or nothing, where the images are crops already."""
    return crops if pipeline is None else lambda images: aligned_faces(pipeline, images, CROPS)


def align_all(images: Images, chips: Chips, progress: Progress | None) -> tuple[dict[int, bytes], list[Failure]]:
    """The crop of each image as JPEG, by its number, and the images that have none."""
    jpegs, failures = {}, []
    for start in range(0, len(images), BATCH):
        numbers = range(start, min(start + BATCH, len(images)))
        for number, chip in zip(numbers, chips_of(images, numbers, chips), strict=True):
            if isinstance(chip, Unusable):
                failures.append(Failure(images.label(number), chip.reason, 0))
            else:
                jpegs[number] = encode_jpeg(np.ascontiguousarray(chip), QUALITY)
        if progress:
            progress(numbers.stop, len(images))
    return jpegs, failures


def write_bin(path: Path, jpegs: dict[int, bytes], pairs: Sequence[Numbered]) -> None:
    """The published layout: a pickle of (images, same), two JPEGs as bytes a pair. Whole, or not at all.

    Pickle stores an image that several pairs share once.
    """
    content = [jpegs[number] for a, b, _ in pairs for number in (a, b)], [bool(same) for *_, same in pairs]
    scratch = path.with_name(f".{path.name}.part")
    try:
        with scratch.open("wb") as file:
            pickle.dump(content, file, protocol=4)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_list(path: Path, images: Images, pairs: Sequence[Numbered]) -> None:
    """The same pairs as a CSV (a, b, same) of the photos they came from."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "same"])
        writer.writerows([images.label(a), images.label(b), int(same)] for a, b, same in pairs)
