"""The faces of a folder of people, embedded as in daily use, for searches with strangers."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from recognition.engine.base import Purpose
from recognition.engine.pipeline import Pipeline
from recognition.lab.evaluation.embedding import Chip, Failure, OnProgress, Unusable, chips_of
from recognition.lab.evaluation.open_set import LabelledFaces, OpenSetResult, Plan, evaluate_open_set
from recognition.lab.evaluation.pack import photos_with_a_face, subject
from recognition.lab.evaluation.sets import Images, PhotoFiles, SetError

BATCH = 8
PURPOSES: tuple[Purpose, ...] = ("enrol", "probe")


def embed_people(
    pipeline: Pipeline, images: Images, *, progress: OnProgress | None = None
) -> tuple[LabelledFaces, list[Failure]]:
    """The main face of each photo (see pack.subject), as it is enrolled and as it is searched for; and photos without one.

    images: labelled PERSON/PHOTO. Raises SetError if no photo can be used.
    """
    vectors: dict[int, np.ndarray] = {}
    failures: list[Failure] = []
    for start in range(0, len(images), BATCH):
        numbers = range(start, min(start + BATCH, len(images)))
        found = chips_of(images, numbers, lambda photos: _both_vectors(pipeline, photos))
        for number, both in zip(numbers, found, strict=True):
            if isinstance(both, Unusable):
                failures.append(Failure(images.label(number), both.reason, 0))
            else:
                vectors[number] = both
        if progress:
            progress(numbers.stop, len(images))
    if not vectors:
        raise SetError(f"None of the {len(images)} photos can be used. The first: {failures[0].reason}")
    people = np.array([PurePath(images.label(number)).parts[0] for number in vectors])
    samples, probes = np.stack(list(vectors.values()), axis=1)
    return LabelledFaces(people, samples, probes, pipeline.manifest.metric), failures


def _both_vectors(pipeline: Pipeline, photos: Sequence[np.ndarray | bytes]) -> list[Chip]:
    """Of each photo's main face, float32 (2, dim): to enrol, and to search for."""
    found = photos_with_a_face(pipeline, photos)
    faces = [(photo.image, subject(photo).landmarks) for photo in found if not isinstance(photo, Unusable)]
    vectors = iter(np.stack([pipeline.embedder.embed(faces, purpose) for purpose in PURPOSES], axis=1))
    return [photo if isinstance(photo, Unusable) else next(vectors) for photo in found]


def evaluate_people(
    pipeline: Pipeline, images: PhotoFiles, plan: Plan, *, progress: OnProgress | None = None
) -> OpenSetResult:
    """The open-set protocol on a folder of people. progress: of the photos. Raises SetError."""
    faces, failures = embed_people(pipeline, images, progress=progress)
    result = evaluate_open_set(
        faces,
        plan,
        name=images.folder.resolve().name,
        sha256=digest_of(images),
        threshold=lambda count: pipeline.manifest.size_threshold(count).distance,
    )
    result.failures, result.engine = failures, pipeline.engine
    return result


def digest_of(images: PhotoFiles) -> str:
    """A sha256 of the photos and their names, by which results on the same folder are known. Unreadable ones count as empty."""
    digest = hashlib.sha256()
    for number in range(len(images)):
        digest.update(images.label(number).encode("utf-8", "surrogateescape") + b"\0")
        digest.update(hashlib.sha256(_content(images, number)).digest())
    return digest.hexdigest()


def _content(images: PhotoFiles, number: int) -> bytes:
    try:
        return images.read(number)
    except OSError:
        return b""
