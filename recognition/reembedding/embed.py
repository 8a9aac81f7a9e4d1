"""The worker's side: does parts of a re-embedding while no photo is waiting. The only module here that needs the engine."""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
from django.db import InterfaceError, OperationalError, transaction
from django.utils.translation import gettext_noop

from gallery.models import FaceCrop
from recognition.engine.base import Crop, PhotoError, Purpose
from recognition.engine.faults import leaves_unfit
from recognition.engine.pipeline import Pipeline
from recognition.photos.models import Rejection
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding import queue
from recognition.reembedding.models import PreviewedFace, ReEmbeddingPart
from recognition.reembedding.preview import decide_again, summary_of
from recognition.reembedding.services import finish_way_back

logger = logging.getLogger(__name__)
NO_CROP = gettext_noop("No picture of this face is stored, so it cannot be embedded again.")
PART_FAILED = gettext_noop("A part failed (%(error)s). Tell your operator.")
DAMAGED = gettext_noop("The stored picture is damaged: %(reason)s")
NOT_EMBEDDED = gettext_noop("The face could not be embedded (%(error)s).")
OTHER_NET = gettext_noop(
    "Worker %(worker)s has loaded another net named %(pack)s than the one installed now. Restart the workers, then start this "
    "again."
)


def embed_part(worker: RecognitionWorker, *, only: UUID | None = None) -> bool:
    """Does one part of a re-embedding, or of `only` this one. Returns False if there was nothing to do.

    `worker` must be registered. A pack that this worker cannot load leaves its parts to others. What else fails in a part
    ends its re-embedding; only lost database connections are raised, and Unfit: the part is then taken over.
    """
    if worker.worker_id is None:
        raise ValueError("Only a registered worker can embed.")
    part = queue.claim(worker_id=worker.worker_id, packs=worker.packs(), only=only)
    if part is None:
        return finish_way_back(only=only)
    pipeline = worker.pipeline_or_none(part.job.pack)
    if pipeline is None:
        queue.release(part=part)
        worker.raise_if_unfit()
        return False
    if pipeline.manifest.embedding_id != part.job.embedding_id:
        _fail(part, OTHER_NET % {"worker": worker.worker_id, "pack": part.job.pack})
        return True
    try:
        HANDLERS[part.kind](pipeline, part)
    except (OperationalError, InterfaceError):
        raise  # the worker's loop reconnects; the part is taken over
    except Exception as error:
        logger.exception("part failed: %s", part)
        worker.raise_if_unfit(error)
        _fail(part, PART_FAILED % {"error": f"{type(error).__name__}: {error}"})
    return True


@transaction.atomic
def _fail(part: ReEmbeddingPart, message: str) -> None:
    logger.error("re-embedding %s failed: %s", part.job, message)
    queue.release(part=part)
    queue.fail(job=part.job, message=message)


def _embed_samples(pipeline: Pipeline, part: ReEmbeddingPart) -> None:
    """Embeds samples as at enrolment, from all views, but faces rejected in a recognition (“not X”) as probes."""
    rows = FaceCrop.objects.filter(sample__in=part.items)
    crops = {row.pk: Crop(bytes(row.jpeg), row.width, row.height, _points(row.landmarks)) for row in rows}
    probes = set(Rejection.objects.filter(sample__in=part.items).values_list("sample", flat=True))
    vectors: dict[UUID, list[float]] = {}
    unembedded = dict.fromkeys(queue.existing_samples(set(part.items) - set(crops)), NO_CROP)
    purposes: tuple[Purpose, ...] = ("enrol", "probe")
    for purpose in purposes:
        chosen = {sample: crop for sample, crop in crops.items() if (sample in probes) == (purpose == "probe")}
        embedded, failed = _embed(pipeline, chosen, purpose)
        vectors |= {sample: vector.tolist() for sample, vector in embedded.items()}
        unembedded |= failed
    queue.finish_samples(part=part, vectors=vectors, unembedded=unembedded)


def _decide_faces(pipeline: Pipeline, part: ReEmbeddingPart) -> None:
    """Embeds faces of past recognitions, and has both packs decide on them."""
    rows = PreviewedFace.objects.select_related("face__request").defer("face__request__photo")
    faces = {row.pk: row for row in rows.filter(pk__in=part.items)}
    crops = {pk: Crop(bytes(row.face.crop), 0, 0, _points(row.face.crop_landmarks)) for pk, row in faces.items()}
    vectors, unreadable = _embed(pipeline, crops, "probe")
    if vectors:
        decide_again(part.job, [faces[pk] for pk in vectors], np.stack(list(vectors.values())))
    for pk in unreadable:
        faces[pk].change = PreviewedFace.Change.UNREADABLE
    queue.finish_faces(part=part, faces=list(faces.values()))


def _summarise(pipeline: Pipeline, part: ReEmbeddingPart) -> None:
    queue.finish_summary(part=part, preview=summary_of(part.job))


HANDLERS: dict[str, Callable[[Pipeline, ReEmbeddingPart], None]] = {
    queue.Kind.SAMPLES: _embed_samples,
    queue.Kind.FACES: _decide_faces,
    queue.Kind.SUMMARY: _summarise,
}


def _embed(
    pipeline: Pipeline, crops: dict[UUID, Crop], purpose: Purpose
) -> tuple[dict[UUID, np.ndarray], dict[UUID, str]]:
    """The vectors of the crops, and for crops that cannot be embedded the reason. If the batch fails, each is tried alone."""
    if not crops:
        return {}, {}
    try:
        return dict(zip(crops, pipeline.embed_crops(list(crops.values()), purpose=purpose), strict=True)), {}
    except Exception as error:
        if leaves_unfit(error):
            raise
        logger.exception("a batch of %s faces failed; trying each alone", len(crops))
    vectors: dict[UUID, np.ndarray] = {}
    failed: dict[UUID, str] = {}
    for key, crop in crops.items():
        try:
            vectors[key] = pipeline.embed_crops([crop], purpose=purpose)[0]
        except PhotoError as error:
            failed[key] = DAMAGED % {"reason": error.message}
        except Exception as error:
            if leaves_unfit(error):
                raise
            logger.exception("the engine failed on %s", key)
            failed[key] = NOT_EMBEDDED % {"error": type(error).__name__}
    return vectors, failed


def _points(landmarks: Sequence[Sequence[float]]) -> np.ndarray:
    return np.array(landmarks, "float32").reshape(-1, 2)
