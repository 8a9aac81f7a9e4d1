"""Makes a verification set: finds the face in each photo, aligns it to 112 px and writes InsightFace's .bin."""

import csv
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from recognition.engine.image import encode_jpeg
from recognition.engine.pipeline import Pipeline
from recognition.lab.evaluation.embedding import Failure, MakeChips, OnProgress, Unusable, chips_of, crops
from recognition.lab.evaluation.pack import CROPS, aligned_faces
from recognition.lab.evaluation.pairing import NumberedPair, draw_pairs
from recognition.lab.evaluation.sets import Images, PhotoFiles, SetError, VerificationSet

BATCH = 16
JPEG_QUALITY = 98  # high, since a net is judged by these crops
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".pgm", ".ppm"}


@dataclass(frozen=True, slots=True)
class Built:
    """What a set was made from.

    photos: how many are used. disjoint: whether no person is in two folds; None if the pairs were given. dropped: how many
    pairs were left out. failures: photos that could not be used.
    """

    pairs: list[NumberedPair]
    photos: int
    people: int | None
    disjoint: bool | None
    failures: list[Failure]
    dropped: int = 0


def from_folder(
    folder: Path,
    out: Path,
    chips: MakeChips,
    *,
    count: int | None,
    folds: int,
    seed: int,
    progress: OnProgress | None = None,
) -> Built:
    """Makes a set from a folder with a folder for each person. See draw_pairs for count, folds and seed.

    chips: see face_chips. Raises SetError.
    """
    images = photos_in(folder)
    jpegs, failures = align_all(images, chips, progress)
    people: dict[str, list[int]] = {}
    for number in jpegs:
        people.setdefault(PurePath(images.label(number)).parts[0], []).append(number)
    pairs, disjoint = draw_pairs(list(people.values()), count=count, folds=folds, seed=seed)
    write_bin(out, jpegs, pairs)
    return Built(pairs, len(jpegs), len(people), disjoint, failures)


def photos_in(folder: Path) -> PhotoFiles:
    """All photos PERSON/PHOTO of a folder, ordered by path. Raises SetError if there are none."""
    paths = [path for path in sorted(folder.glob("*/*")) if path.suffix.lower() in SUFFIXES]
    if not paths:
        raise SetError(f"There are no photos in {folder}. It needs a folder of photos for each person.")
    return PhotoFiles(folder, [str(path.relative_to(folder)) for path in paths])


def from_pairs(given: VerificationSet, out: Path, chips: MakeChips, *, progress: OnProgress | None = None) -> Built:
    """Makes a set from the pairs of a list, in its order, without those whose photos cannot be used. Raises SetError."""
    jpegs, failures = align_all(given.images, chips, progress)
    listed = zip(given.first.tolist(), given.second.tolist(), given.same.tolist(), strict=True)
    pairs = [(a, b, same) for a, b, same in listed if a in jpegs and b in jpegs]
    if not pairs:
        raise SetError("No pair is left: none of the photos can be used.")
    write_bin(out, jpegs, pairs)
    return Built(pairs, len(jpegs), None, None, failures, dropped=len(given) - len(pairs))


def face_chips(pipeline: Pipeline | None) -> MakeChips:
    """What turns photos into crops: the pack's detector. pipeline: None if the images are crops already."""
    return crops if pipeline is None else lambda images: aligned_faces(pipeline, images, CROPS)


def align_all(images: Images, chips: MakeChips, progress: OnProgress | None) -> tuple[dict[int, bytes], list[Failure]]:
    """The crop of each image as a JPEG, by the image's number; and the images without one."""
    jpegs: dict[int, bytes] = {}
    failures: list[Failure] = []
    for start in range(0, len(images), BATCH):
        numbers = range(start, min(start + BATCH, len(images)))
        for number, chip in zip(numbers, chips_of(images, numbers, chips), strict=True):
            if isinstance(chip, Unusable):
                failures.append(Failure(images.label(number), chip.reason, 0))
            else:
                jpegs[number] = encode_jpeg(np.ascontiguousarray(chip), JPEG_QUALITY)
        if progress:
            progress(numbers.stop, len(images))
    return jpegs, failures


def write_bin(path: Path, jpegs: dict[int, bytes], pairs: Sequence[NumberedPair]) -> None:
    """Writes the published layout: a pickle of (images, same) with two JPEGs, as bytes, for each pair.

    The file is complete or not there. Pickle stores an image that several pairs share only once.
    """
    content = [jpegs[number] for a, b, _ in pairs for number in (a, b)], [bool(same) for *_, same in pairs]
    scratch = path.with_name(f".{path.name}.part")
    try:
        with scratch.open("wb") as file:
            pickle.dump(content, file, protocol=4)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def write_list(path: Path, images: Images, pairs: Sequence[NumberedPair]) -> None:
    """Writes the same pairs as a CSV (a, b, same) with the paths of their photos."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "same"])
        writer.writerows([images.label(a), images.label(b), int(same)] for a, b, same in pairs)
