"""After a change of the model pack: a recognition worker embeds the sightings of unknown people again, while no photo waits.

Until that is done, a stranger seen before comes back as a new unknown person; the nightly look merges the two.
"""

import logging
import time
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction

from faceplatform.database.limits import computing
from gallery.models import Gallery
from recognition.cameras.models import Sighting, SightingEmbedding, SightingFace
from recognition.engine.base import Crop, PhotoError
from recognition.engine.faults import leaves_unfit
from recognition.engine.pipeline import Pipeline
from recognition.photos.worker import RecognitionWorker
from recognition.sightings.unknown_people import lock_unknowns, refresh
from recognition.tracking.vectors import mean_vector

logger = logging.getLogger(__name__)
AT_ONCE = 4  # sightings; a photo that arrives waits for them
LOOK_AGAIN_AFTER = 600  # seconds, once nothing was left to do in a gallery

WITHOUT_VECTOR = """
SELECT sighting.id FROM cameras_unknownperson person
JOIN cameras_sighting sighting ON sighting.unknown_id = person.id AND sighting.closed
WHERE person.gallery_id = %(gallery)s AND person.identity_id IS NULL AND person.merged_into_id IS NULL
    AND sighting.id <> ALL(%(failed)s)
    AND EXISTS (SELECT FROM cameras_sightingface face WHERE face.sighting_id = sighting.id)
    AND NOT EXISTS (
        SELECT FROM cameras_sightingembedding embedding WHERE embedding.gallery_id = %(gallery)s
        AND embedding.pack = %(pack)s AND embedding.sighting_id = sighting.id
    )
ORDER BY sighting.last_seen DESC, sighting.id
LIMIT %(most)s
"""
_done: dict[tuple[UUID, str], float] = {}  # gallery and pack → when nothing was left
_failed: set[UUID] = set()  # sightings of which no face can be embedded


def embed_sightings(worker: RecognitionWorker) -> bool:
    """Embeds a few sightings under the pack in force in their gallery. Returns False if there was nothing to do."""
    for gallery_id, pack in Gallery.objects.filter(pack__in=worker.packs()).order_by("pk").values_list("pk", "pack"):
        if time.monotonic() - _done.get((gallery_id, pack), -LOOK_AGAIN_AFTER) < LOOK_AGAIN_AFTER:
            continue
        if _embed_some(worker, gallery_id, pack):
            return True
    return False


@transaction.atomic
def _embed_some(worker: RecognitionWorker, gallery_id: UUID, pack: str) -> bool:
    """One worker at a time a gallery; the others have photos to do."""
    computing()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))", [f"embed {gallery_id}"])
        if not cursor.fetchone()[0]:
            return False
        values: dict[str, Any] = {"gallery": gallery_id, "pack": pack, "failed": list(_failed), "most": AT_ONCE}
        cursor.execute(WITHOUT_VECTOR, values)
        sightings = [pk for (pk,) in cursor.fetchall()]
    if not sightings:
        _done[gallery_id, pack] = time.monotonic()
        return False
    pipeline = worker.pipeline_or_none(pack)
    if pipeline is None:
        worker.raise_if_unfit()
        return False
    faces = list(SightingFace.objects.filter(sighting__in=sightings))
    for face in faces:
        face.vector, face.pack = _vector(worker, pipeline, face), pack
    _write(gallery_id, pack, sightings, [face for face in faces if face.vector is not None])
    return True


def _vector(worker: RecognitionWorker, pipeline: Pipeline, face: SightingFace) -> list[float] | None:
    landmarks = np.array(face.landmarks, "float32").reshape(-1, 2)
    try:
        [vector] = pipeline.embed_crops([Crop(bytes(face.jpeg), face.width, face.height, landmarks)], purpose="probe")
    except Exception as error:
        if leaves_unfit(error):
            worker.raise_if_unfit(error)
        if not isinstance(error, PhotoError):
            logger.exception("the engine failed on face %s of a sighting", face.pk)
        return None
    return vector.tolist()


def _write(gallery_id: UUID, pack: str, sightings: list[UUID], faces: list[SightingFace]) -> None:
    """Stores the vectors of those that have not been deleted meanwhile, and makes the centroids of their unknown people."""
    lock_unknowns(gallery_id)
    there = dict(Sighting.objects.filter(pk__in=sightings).values_list("pk", "unknown"))
    faces = [face for face in faces if face.sighting_id in there]
    SightingFace.objects.bulk_update(faces, ["vector", "pack"])
    embedded = {face.sighting_id for face in faces}
    _failed.update(set(sightings) - embedded)
    SightingEmbedding.objects.bulk_create(
        (
            SightingEmbedding(gallery_id=gallery_id, pack=pack, sighting_id=pk, vector=_mean(faces, pk))
            for pk in sorted(embedded)
        ),
        ignore_conflicts=True,
    )
    refresh(unknown for pk in embedded if (unknown := there[pk]) is not None)


def _mean(faces: list[SightingFace], sighting: UUID) -> list[float]:
    theirs = [face for face in faces if face.sighting_id == sighting]
    weights = np.array([max(face.quality_score, 1e-3) for face in theirs])
    return mean_vector(np.array([face.vector for face in theirs], "float32"), weights).tolist()
