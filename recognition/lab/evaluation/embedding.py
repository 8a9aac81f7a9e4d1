"""Embeds the images of a set, each once, in bounded memory; and computes the distances of its pairs."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from recognition.engine.align import similarity, warp
from recognition.engine.base import PhotoError
from recognition.engine.image import decode
from recognition.lab.evaluation.sets import LARGEST_IMAGE, Images, VerificationSet

CROP = 112  # px, of the crops of a set
BATCH = 32  # images at a time
IN_MEMORY = 256 * 1024 * 1024  # bytes of vectors kept in memory; more are kept in a temporary file
PAIRS_AT_A_TIME = 8192

Embed = Callable[[np.ndarray], np.ndarray]
"""Chips, uint8 RGB (n, size, size, 3) → the net's output, float32 (n, dim)."""
OnProgress = Callable[[int, int], object]
"""Called with how many images are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Takes a chip's place when there is none. reason: a sentence."""

    reason: str


Chip = np.ndarray | Unusable
"""An aligned face, uint8 RGB (size, size, 3), or why there is none."""
MakeChips = Callable[[Sequence[np.ndarray | bytes]], list[Chip]]
"""Images as a set gives them → their chips."""
Image = TypeVar("Image")


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be used, and the number of pairs that need it."""

    image: str
    reason: str
    pairs: int


def pixels(image: np.ndarray | bytes) -> np.ndarray:
    """The image, decoded if it is a file; uint8 RGB (h, w, 3). Raises PhotoError."""
    return image if isinstance(image, np.ndarray) else decode(image, max_bytes=LARGEST_IMAGE)


def crop_of(image: np.ndarray | bytes) -> np.ndarray:
    """An image of an aligned set as a crop, uint8 RGB (112, 112, 3). If it has another size, its middle square is scaled.

    Raises PhotoError.
    """
    whole = pixels(image)
    if whole.shape[:2] == (CROP, CROP):
        return whole
    height, width = whole.shape[:2]
    corners = np.array([[0.0, 0.0], [min(height, width)] * 2]) + np.array([width, height]) / 2 - min(height, width) / 2
    return warp(whole, similarity(corners - 0.5, np.array([[0.0, 0.0], [CROP, CROP]]) - 0.5), CROP)


def crops(images: Sequence[np.ndarray | bytes]) -> list[Chip]:
    """The images of an aligned set as chips for a net that takes 112 px crops aligned by ArcFace's template."""
    return try_each(crop_of, images)


def try_each(make: Callable[[Image], np.ndarray], images: Sequence[Image]) -> list[Chip]:
    """make(image) for each image, or Unusable if it raised PhotoError."""
    made: list[Chip] = []
    for image in images:
        try:
            made.append(make(image))
        except PhotoError as error:
            made.append(Unusable(error.message))
    return made


def embed_images(
    images: Images, embed: Embed, chips: MakeChips, *, metric: str, progress: OnProgress | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """A vector of each image and its mirror image, float32 (n, dim); and for images without one, the reason by number.

    metric: "cosine" adds the two and scales the sum to unit length, as published; "L2" averages them.
    """
    vectors: np.ndarray | None = None
    failed: dict[int, str] = {}
    for start in range(0, len(images), BATCH):
        numbers = range(start, min(start + BATCH, len(images)))
        usable: dict[int, np.ndarray] = {}
        for number, chip in zip(numbers, chips_of(images, numbers, chips), strict=True):
            if isinstance(chip, Unusable):
                failed[number] = chip.reason
            else:
                usable[number] = chip
        if usable:
            batch = _embed_with_mirror(np.stack(list(usable.values())), embed, metric)
            if vectors is None:
                vectors = _vector_storage(len(images), batch.shape[1])
            vectors[list(usable)] = batch
        if progress:
            progress(numbers.stop, len(images))
    return (np.zeros((len(images), 1), "float32") if vectors is None else vectors), failed


def chips_of(images: Images, numbers: Sequence[int], chips: MakeChips) -> list[Chip]:
    """The chips of the images with these numbers. An image that cannot be read does not affect the others."""
    made: dict[int, Chip] = {}
    read: dict[int, np.ndarray | bytes] = {}
    for number in numbers:
        try:
            read[number] = images.read(number)
        except (OSError, ValueError) as error:
            made[number] = Unusable(f"The file cannot be read: {getattr(error, 'strerror', None) or error}.")
    made |= zip(read, chips(list(read.values())), strict=True)
    return [made[number] for number in numbers]


def _embed_with_mirror(batch: np.ndarray, embed: Embed, metric: str) -> np.ndarray:
    both = np.asarray(embed(batch), "float32") + np.asarray(embed(np.ascontiguousarray(batch[:, :, ::-1])), "float32")
    if metric == "L2":
        return both / 2
    return both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)


def _vector_storage(count: int, dim: int) -> np.ndarray:
    """Zeros (count, dim), in memory or, if too large, in a temporary file that disappears with the process."""
    if count * dim * 4 <= IN_MEMORY:
        return np.zeros((count, dim), "float32")
    with tempfile.TemporaryFile() as file:  # the mapping keeps it open
        return np.memmap(file, "float32", "w+", shape=(count, dim))


def distances_of(pairs: VerificationSet, vectors: np.ndarray, failed: dict[int, str]) -> np.ndarray:
    """The L2 distance of each pair, float32 (pairs,); NaN if one of its images has no vector."""
    missing = np.zeros(len(vectors), bool)
    missing[list(failed)] = True
    out = np.empty(len(pairs), "float32")
    for start in range(0, len(pairs), PAIRS_AT_A_TIME):
        part = slice(start, start + PAIRS_AT_A_TIME)
        a, b = pairs.first[part], pairs.second[part]
        out[part] = np.sqrt(np.square(vectors[a] - vectors[b]).sum(1))
        out[part][missing[a] | missing[b]] = np.nan
    return out


def failures_of(pairs: VerificationSet, failed: dict[int, str]) -> list[Failure]:
    """The images that could not be used, in the set's order. failed: image number → reason."""
    counts = np.bincount(pairs.first, minlength=len(pairs.images))
    counts += np.bincount(pairs.second[pairs.second != pairs.first], minlength=len(pairs.images)) if len(pairs) else 0
    return [Failure(pairs.images.label(number), failed[number], int(counts[number])) for number in sorted(failed)]
