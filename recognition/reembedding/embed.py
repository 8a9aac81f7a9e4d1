"""The worker's part: embeds a part of a re-embedding where no photo waits. The one module here that needs the engine."""

import logging
from collections.abc import Callable, Sequence
from uuid import UUID

import numpy as np
from django.db import InterfaceError, OperationalError, transaction

from gallery.models import FaceCrop
from recognition.engine.base import Crop, PhotoError, Purpose
from recognition.engine.manifest import PackError
from recognition.engine.mxnet_runtime import DeviceError
from recognition.engine.pipeline import Pipeline
from recognition.photos.models import Rejection
from recognition.photos.worker import RecognitionWorker
from recognition.reembedding import queue
from recognition.reembedding.models import PreviewedFace, ReEmbeddingPart
from recognition.reembedding.preview import decide_again, summary_of
from recognition.reembedding.services import finish_way_back

logger = logging.getLogger(__name__)
NO_CROP = "No picture of this face is kept, so it cannot be embedded again."
OTHER_NET = (
    "The worker {worker} has another net loaded under the name {pack} than is installed now. Restart the workers, "
    "then start this again."
)


def embed_part(worker: RecognitionWorker, *, only: UUID | None = None) -> bool:
    """Does a part of a re-embedding, if there is one. `worker` must be registered. only: of this one alone."""
    packs = [path.parent.name for path in worker.models_dir.glob("*/manifest.json")]
    part = queue.claim(worker_id=worker.worker_id, packs=packs, only=only)
    if part is None:
        return finish_way_back(only=only)
    try:
        pipeline = worker.pipeline(part.job.pack)
    except (PackError, DeviceError) as error:
        _fail(part, str(error))
        return True
    if pipeline.manifest.embedding_id != part.job.embedding_id:
        _fail(part, OTHER_NET.format(worker=worker.worker_id, pack=part.job.pack))
        return True
    try:
        DO[part.kind](pipeline, part)
    except (OperationalError, InterfaceError):
        raise  # the worker's loop connects again; the part is taken over
    except Exception as error:
        logger.exception("the part %s cannot be done", part)
        _fail(part, f"A part of it cannot be done ({type(error).__name__}: {error}). Tell your operator.")
    return True


@transaction.atomic
def _fail(part: ReEmbeddingPart, message: str) -> None:
    logger.error("the re-embedding %s is broken off: %s", part.job, message)
    queue.release(part=part)
    queue.fail(job=part.job, message=message)


def _embed_samples(pipeline: Pipeline, part: ReEmbeddingPart) -> None:
    """As they were embedded at first: from all views; a face that was rejected in a recognition, as a probe."""
    rows = FaceCrop.objects.filter(sample__in=part.items)
    crops = {row.pk: Crop(bytes(row.jpeg), row.width, row.height, _points(row.landmarks)) for row in rows}
    probes = set(Rejection.objects.filter(sample__in=part.items).values_list("sample", flat=True))
    vectors, unembedded = {}, dict.fromkeys(queue.still_there(set(part.items) - set(crops)), NO_CROP)
    for purpose in ("enrol", "probe"):
        some = {sample: crop for sample, crop in crops.items() if (sample in probes) == (purpose == "probe")}
        done, failed = _embed(pipeline, some, purpose)
        vectors |= {sample: vector.tolist() for sample, vector in done.items()}
        unembedded |= failed
    queue.finish_samples(part=part, vectors=vectors, unembedded=unembedded)


def _decide_faces(pipeline: Pipeline, part: ReEmbeddingPart) -> None:
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


DO: dict[str, Callable[[Pipeline, ReEmbeddingPart], None]] = {
    queue.Kind.SAMPLES: _embed_samples,
    queue.Kind.FACES: _decide_faces,
    queue.Kind.SUMMARY: _summarise,
}


def _embed(pipeline: Pipeline, crops: dict[UUID, Crop], purpose: Purpose) -> tuple[dict, dict[UUID, str]]:
    """The vectors of the crops, and why some have none: one that is damaged does not touch the others."""
    if not crops:
        return {}, {}
    try:
        return dict(zip(crops, pipeline.embed_crops(list(crops.values()), purpose=purpose), strict=True)), {}
    except Exception:
        logger.exception("some of %s faces cannot be embedded", len(crops))
    vectors, failed = {}, {}
    for key, crop in crops.items():
        try:
            vectors[key] = pipeline.embed_crops([crop], purpose=purpose)[0]
        except PhotoError as error:
            failed[key] = f"The kept picture is damaged: {error.message}"
        except Exception as error:
            logger.exception("the engine failed on %s", key)
            failed[key] = f"The face could not be embedded ({type(error).__name__})."
    return vectors, failed


def _points(landmarks: Sequence[Sequence[float]]) -> np.ndarray:
    return np.array(landmarks, "float32").reshape(-1, 2)
