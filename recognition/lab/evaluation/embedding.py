"""The images of a set as vectors, each once, in bounded memory; and the distances of its pairs."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from recognition.engine.align import similarity, warp
from recognition.engine.base import PhotoError
from recognition.engine.image import decode
from recognition.lab.evaluation.sets import LARGEST_IMAGE, Images, VerificationSet

CROP = 112  # px, of the crops of a set
BATCH = 32  # images at a time
IN_MEMORY = 256 * 1024 * 1024  # bytes of vectors; more of them lie in a file without a name
PAIRS_AT_A_TIME = 8192

Embed = Callable[[np.ndarray], np.ndarray]
"""uint8 RGB (n, size, size, 3) → what the net gives, float32 (n, dim)."""
Progress = Callable[[int, int], object]
"""Hears how many images of how many are through."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why an image has no chip."""

    reason: str


Chips = Callable[[Sequence[np.ndarray | bytes]], list["np.ndarray | Unusable"]]
"""Images as a set gives them → aligned faces, uint8 RGB (size, size, 3), or why there is none."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be used, and how many pairs lack it."""

    image: str
    reason: str
    pairs: int


def pixels(image: np.ndarray | bytes) -> np.ndarray:
    """uint8 RGB. Raises PhotoError."""
    return image if isinstance(image, np.ndarray) else decode(image, max_bytes=LARGEST_IMAGE)


def crop_of(image: np.ndarray | bytes) -> np.ndarray:
    """The crop of an aligned set, uint8 RGB (112, 112, 3); of another size it is scaled, its middle kept.

    Raises PhotoError.
    """
    found = pixels(image)
    if found.shape[:2] == (CROP, CROP):
        return found
    height, width = found.shape[:2]
    corners = np.array([[0.0, 0.0], [min(height, width)] * 2]) + np.array([width, height]) / 2 - min(height, width) / 2
    return warp(found, similarity(corners - 0.5, np.array([[0.0, 0.0], [CROP, CROP]]) - 0.5), CROP)


def crops(images: Sequence[np.ndarray | bytes]) -> list[np.ndarray | Unusable]:
    """The images of an aligned set for a net that takes them as they are: 112 px, by ArcFace's template."""
    return each(crop_of, images)


def each(make: Callable, images: Sequence) -> list:
    """`make` of each, or why not."""
    found = []
    for image in images:
        try:
            found.append(make(image))
        except PhotoError as error:
            found.append(Unusable(error.message))
    return found


def embed_images(
    images: Images, embed: Embed, chips: Chips, *, metric: str, progress: Progress | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """A vector of each image and its mirror image, and for those without one, the reason.

    metric: "cosine", the two are added and brought to unit length, as published; "L2", they are averaged.
    """
    vectors, failed = None, {}
    for start in range(0, len(images), BATCH):
        numbers = range(start, min(start + BATCH, len(images)))
        made = chips_of(images, numbers, chips)
        usable = [number for number in numbers if not isinstance(made[number - start], Unusable)]
        failed |= {n: made[n - start].reason for n in numbers if isinstance(made[n - start], Unusable)}
        if usable:
            found = _both_ways(np.stack([made[number - start] for number in usable]), embed, metric)
            if vectors is None:
                vectors = _room(len(images), found.shape[1])
            vectors[usable] = found
        if progress:
            progress(numbers.stop, len(images))
    return (np.zeros((len(images), 1), "float32") if vectors is None else vectors), failed


def chips_of(images: Images, numbers: Sequence[int], chips: Chips) -> list[np.ndarray | Unusable]:
    """The chips of some images of a set; one that cannot be read does not touch the others."""
    made: list = [None] * len(numbers)
    read = []
    for place, number in enumerate(numbers):
        try:
            read.append((place, images.read(number)))
        except (OSError, ValueError) as error:
            made[place] = Unusable(f"The file cannot be read: {getattr(error, 'strerror', None) or error}.")
    for (place, _), chip in zip(read, chips([image for _, image in read]), strict=True):
        made[place] = chip
    return made


def _both_ways(batch: np.ndarray, embed: Embed, metric: str) -> np.ndarray:
    both = np.asarray(embed(batch), "float32") + np.asarray(embed(np.ascontiguousarray(batch[:, :, ::-1])), "float32")
    if metric == "L2":
        return both / 2
    return both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), 1e-12)


def _room(count: int, dim: int) -> np.ndarray:
    """In memory, or where that were too much, in a file the system forgets with the process."""
    if count * dim * 4 <= IN_MEMORY:
        return np.zeros((count, dim), "float32")
    with tempfile.TemporaryFile() as file:  # the map keeps it
        return np.memmap(file, "float32", "w+", shape=(count, dim))


def distances_of(pairs: VerificationSet, vectors: np.ndarray, failed: dict[int, str]) -> np.ndarray:
    """The L2 distance of each pair, float32; NaN where one of its images has no vector."""
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
    """In the set's order."""
    counts = np.bincount(pairs.first, minlength=len(pairs.images))
    counts += np.bincount(pairs.second[pairs.second != pairs.first], minlength=len(pairs.images)) if len(pairs) else 0
    return [Failure(pairs.images.label(number), failed[number], int(counts[number])) for number in sorted(failed)]
