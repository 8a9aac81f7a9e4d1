"""Hands out the work of re-embeddings to workers, in parts. No model runs here.

A part belongs to the worker that claimed it for as long as that worker lives. If the worker dies, the part is taken over one
item at a time: so a crop that crashes its worker affects no other crop, and is given up after MAX_ATTEMPTS. Embedding
something twice does no harm, so parts need no stronger lock.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_noop

from gallery.models import FaceEmbedding, FaceSample
from gallery.pack_in_force import samples_without_vector
from recognition.photos import queue
from recognition.photos.models import Decision, Purpose, RecognitionFace, Worker
from recognition.reembedding.models import PreviewedFace, ReEmbedding, ReEmbeddingPart, UnembeddedSample

PART_SIZE = 4  # samples or faces; a photo that arrives waits for one part at most
MAX_PART_TIME = timedelta(minutes=5)  # a worker that takes longer loses its part
PREVIEW_FACES = 1_000  # at most, from the latest recognitions
GIVEN_UP = gettext_noop("The worker crashed or hung %(attempts)s times while embedding this face.")

Kind, Stage, Status = ReEmbeddingPart.Kind, ReEmbedding.Stage, ReEmbedding.Status
CLAIMABLE = (Status.RUNNING, Status.READY, Status.IN_FORCE)

# Re-embeddings that are running, and complete ones that have work again.
JOBS_WITH_WORK = """
SELECT job.id FROM recognition_reembedding job
WHERE job.pack = ANY(%(packs)s) AND (%(only)s::uuid IS NULL OR job.id = %(only)s) AND (
    job.status = 'running'
    OR job.status IN ('ready', 'in_force') AND (
        EXISTS (SELECT FROM recognition_reembeddingpart part WHERE part.job_id = job.id)
        OR EXISTS (
            SELECT FROM gallery_facesample sample
            WHERE sample.gallery_id = job.gallery_id AND sample.id > COALESCE(job.cursor, %(first)s)
            AND NOT EXISTS (
                SELECT FROM gallery_faceembedding embedding WHERE embedding.gallery_id = job.gallery_id
                AND embedding.pack = job.pack AND embedding.sample_id = sample.id
            )
            AND NOT EXISTS (
                SELECT FROM recognition_unembeddedsample failed
                WHERE failed.job_id = job.id AND failed.sample_id = sample.id
            )
        )
    )
)
ORDER BY job.id
"""


# --- Claiming ---------------------------------------------------------------------------------------------------------
def claim(*, worker_id: UUID, packs: Sequence[str], only: UUID | None = None) -> ReEmbeddingPart | None:
    """Claims a part for a worker that has these packs; None if there is nothing to do. only: from this re-embedding."""
    with connection.cursor() as cursor:
        cursor.execute(JOBS_WITH_WORK, {"packs": list(packs), "only": only, "first": UUID(int=0)})
        jobs = [pk for (pk,) in cursor.fetchall()]
    for pk in jobs:
        try:
            if part := _claim_from(pk, worker_id):
                return part
        except IntegrityError:
            continue  # an item has just been purged; the next call will not choose it
    return None


@transaction.atomic
def _claim_from(pk: UUID, worker_id: UUID) -> ReEmbeddingPart | None:
    rows = ReEmbedding.objects.select_for_update(of=("self",)).select_related("gallery")
    job = rows.filter(pk=pk, status__in=CLAIMABLE).first()
    if job is None:
        return None
    part = _abandoned_part(job) or _next_part(job)
    if part is not None:
        part.worker, part.token, part.attempts = worker_id, uuid6.uuid7(), part.attempts + 1
        part.claimed_at = Now()
        part.save()
    return part


def _abandoned_part(job: ReEmbedding) -> ReEmbeddingPart | None:
    """A part that no living worker holds. If a worker failed on several items, they become parts of their own."""
    recent = Now() - MAX_PART_TIME, Now() + MAX_PART_TIME  # the clock may have been set back
    held = Q(worker__in=Worker.objects.alive().values("pk"), claimed_at__range=recent)
    for part in job.parts.exclude(held).order_by("id"):
        if len(part.items) > 1 and part.attempts:
            part.delete()
            singles = (ReEmbeddingPart(job=job, kind=part.kind, items=[item], attempts=1) for item in part.items)
            return ReEmbeddingPart.objects.bulk_create(singles)[0]
        if part.attempts < settings.MAX_ATTEMPTS:
            return part
        _give_up(part)
    return None


def _give_up(part: ReEmbeddingPart) -> None:
    reason = GIVEN_UP % {"attempts": part.attempts}
    if part.kind == Kind.SUMMARY:
        fail(job=part.job, message=reason)
    elif part.kind == Kind.FACES:
        part.job.faces.filter(pk__in=part.items).update(change=PreviewedFace.Change.UNREADABLE)
    else:
        _write_unembedded(part, dict.fromkeys(existing_samples(set(part.items)), reason))
    part.delete()


def _next_part(job: ReEmbedding) -> ReEmbeddingPart | None:
    """The next part, not yet saved. Moves the job to its next stage when one is complete."""
    if samples := _next_ids(samples_to_embed(job), job.cursor):
        _update(job, cursor=samples[-1], status=Status.RUNNING if job.status == Status.READY else job.status)
        return ReEmbeddingPart(job=job, kind=Kind.SAMPLES, items=samples)
    if job.parts.exists():
        return None  # other workers are not done
    if job.status != Status.RUNNING:
        return None
    if samples_to_embed(job).exists():  # added behind the cursor
        _update(job, cursor=None)
        return _next_part(job)
    if job.stage == Stage.SAMPLES:
        _update(job, stage=Stage.COMPLETE if job.restores_id else Stage.FACES)
        choose_preview_faces(job)
    if job.stage == Stage.FACES:
        if faces := _next_ids(job.faces.filter(change=""), job.face_cursor):
            _update(job, face_cursor=faces[-1])
            return ReEmbeddingPart(job=job, kind=Kind.FACES, items=faces)
        _update(job, stage=Stage.SUMMARY)
    if job.stage == Stage.SUMMARY:
        return ReEmbeddingPart(job=job, kind=Kind.SUMMARY, items=[])
    _update(job, status=Status.READY)
    return None


def samples_to_embed(job: ReEmbedding) -> QuerySet[FaceSample]:
    """The samples that lack their vector, except those that cannot be embedded."""
    given_up = job.unembedded.values("sample")
    return samples_without_vector(job.gallery_id, job.pack).exclude(pk__in=given_up)


def existing_samples(samples: set[UUID]) -> list[UUID]:
    """Those of `samples` that have not been purged in the meantime."""
    return list(FaceSample.with_deleted.filter(pk__in=samples).values_list("pk", flat=True))


def choose_preview_faces(job: ReEmbedding) -> None:
    """Stores which past recognitions the preview decides again: those with a decision, the latest first."""
    faces = RecognitionFace.objects.filter(
        request__gallery=job.gallery_id,
        request__purpose=Purpose.RECOGNIZE,
        decision__in=[Decision.KNOWN, Decision.UNKNOWN],
    )
    latest = faces.exclude(crop_landmarks=[]).order_by("-request_id", "index").values_list("pk", flat=True)
    rows = (PreviewedFace(job=job, face_id=face) for face in latest[:PREVIEW_FACES])
    PreviewedFace.objects.bulk_create(rows, ignore_conflicts=True)


def _next_ids(rows: QuerySet[Any], after: UUID | None) -> list[UUID]:
    rows = rows.filter(pk__gt=after) if after else rows
    return list(rows.order_by("pk").values_list("pk", flat=True)[:PART_SIZE])


def _update(job: ReEmbedding, **values: object) -> None:
    for name, value in values.items():
        setattr(job, name, value)
    job.save(update_fields=list(values))
    if values.get("status") == Status.READY:
        queue.notify(queue.FINISHED)


# --- Finishing --------------------------------------------------------------------------------------------------------
def finish_samples(*, part: ReEmbeddingPart, vectors: dict[UUID, list[float]], unembedded: dict[UUID, str]) -> None:
    """Stores the vectors of a part (sample → vector), and for samples that cannot be embedded the reason."""
    job = part.job
    rows = [
        FaceEmbedding(gallery_id=job.gallery_id, pack=job.pack, sample_id=sample, vector=vector)
        for sample, vector in vectors.items()
    ]
    try:
        with transaction.atomic():
            FaceEmbedding.objects.bulk_create(rows, ignore_conflicts=True)
            _write_unembedded(part, unembedded)
            _delete_part(part)
    except IntegrityError:  # a sample has been purged: the others are embedded again
        release(part=part)


def finish_faces(*, part: ReEmbeddingPart, faces: Sequence[PreviewedFace]) -> None:
    """Stores the decisions on the faces of a part."""
    fields = ["change", *(f"{when}{what}" for when in ("before", "after") for what in ("", "_identity", "_distance"))]
    try:
        with transaction.atomic():
            PreviewedFace.objects.bulk_update(faces, fields)
            _delete_part(part)
    except IntegrityError:  # a person who was found has been purged: decide again
        release(part=part)


@transaction.atomic
def finish_summary(*, part: ReEmbeddingPart, preview: dict[str, Any]) -> None:
    """Stores the summary of the preview."""
    ReEmbedding.objects.filter(pk=part.job_id).update(preview=preview, stage=Stage.COMPLETE)
    _delete_part(part)


def release(*, part: ReEmbeddingPart) -> None:
    """Gives the part back, so that another worker can claim it at once."""
    ReEmbeddingPart.objects.filter(pk=part.pk, token=part.token).update(worker=None, attempts=part.attempts - 1)


def fail(*, job: ReEmbedding, message: str) -> None:
    """Marks a re-embedding as failed; started again, it continues. One that is in force stays in force."""
    rows = ReEmbedding.objects.filter(pk=job.pk)
    rows.update(error_message=message)
    rows.live().update(status=Status.FAILED)
    queue.notify(queue.FINISHED)


def _write_unembedded(part: ReEmbeddingPart, reasons: dict[UUID, str]) -> None:
    rows = (UnembeddedSample(job=part.job, sample_id=sample, reason=reason) for sample, reason in reasons.items())
    UnembeddedSample.objects.bulk_create(rows, ignore_conflicts=True)


def _delete_part(part: ReEmbeddingPart) -> None:
    ReEmbeddingPart.objects.filter(pk=part.pk, token=part.token).delete()
