"""Handing the work of re-embeddings out to workers, in parts. No model runs here.

A part belongs to the worker that claimed it as long as that one lives. One whose worker died is taken over, each item
alone: a crop that kills its worker takes no other with it, and is given up after MAX_ATTEMPTS. Embedding something twice
does no harm, so nothing else guards a part.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import uuid6
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from gallery.models import FaceEmbedding, FaceSample
from gallery.pack_in_force import samples_without_vector
from recognition.photos import queue
from recognition.photos.models import Decision, Purpose, RecognitionFace, Worker
from recognition.reembedding.models import PreviewedFace, ReEmbedding, ReEmbeddingPart, UnembeddedSample

PART = 4  # samples or faces; a photo that comes waits for no more
LONGEST_PART = timedelta(minutes=5)  # a worker that hangs longer loses its part
PREVIEW_FACES = 1_000  # of the latest recognitions
GIVEN_UP = "The worker stopped while it embedded this face, {attempts} times."

Kind, Stage, Status = ReEmbeddingPart.Kind, ReEmbedding.Stage, ReEmbedding.Status
WORKED_ON = (Status.RUNNING, Status.READY, Status.IN_FORCE)

# Those that run, and those that were complete once and have something to do again.
WITH_WORK = """
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
    """A part for a worker that has `packs`; None where there is nothing to do. only: of this re-embedding alone."""
    with connection.cursor() as cursor:
        cursor.execute(WITH_WORK, {"packs": list(packs), "only": only, "first": UUID(int=0)})
        jobs = [pk for (pk,) in cursor.fetchall()]
    for pk in jobs:
        try:
            if part := _claim_of(pk, worker_id):
                return part
        except IntegrityError:
            continue  # what was handed out has been purged just now: the next look sees that
    return None


@transaction.atomic
def _claim_of(pk: UUID, worker_id: UUID) -> ReEmbeddingPart | None:
    rows = ReEmbedding.objects.select_for_update(of=("self",)).select_related("gallery")
    job = rows.filter(pk=pk, status__in=WORKED_ON).first()
    if job is None:
        return None
    part = _lost(job) or _next(job)
    if part is not None:
        part.worker, part.token, part.attempts = worker_id, uuid6.uuid7(), part.attempts + 1
        part.claimed_at = Now()
        part.save()
    return part


def _lost(job: ReEmbedding) -> ReEmbeddingPart | None:
    """A part whose worker is gone. One of several items is taken apart first."""
    held = Q(worker__in=Worker.objects.alive().values("pk"), claimed_at__gt=Now() - LONGEST_PART)
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
    reason = GIVEN_UP.format(attempts=part.attempts)
    if part.kind == Kind.SUMMARY:
        fail(job=part.job, message=reason)
    elif part.kind == Kind.FACES:
        part.job.faces.filter(pk__in=part.items).update(change=PreviewedFace.Change.UNREADABLE)
    else:
        _write_unembedded(part, dict.fromkeys(still_there(set(part.items)), reason))
    part.delete()


def _next(job: ReEmbedding) -> ReEmbeddingPart | None:
    """The next part, not yet saved. Moves the job on where a stage has come to its end."""
    if samples := _some(missing(job), job.cursor):
        _set(job, cursor=samples[-1], status=Status.RUNNING if job.status == Status.READY else job.status)
        return ReEmbeddingPart(job=job, kind=Kind.SAMPLES, items=samples)
    if job.parts.exists():
        return None  # others are still at it
    if job.status != Status.RUNNING:
        return None
    if missing(job).exists():  # came in behind the cursor
        _set(job, cursor=None)
        return _next(job)
    if job.stage == Stage.SAMPLES:
        _set(job, stage=Stage.COMPLETE if job.restores_id else Stage.FACES)
        choose_faces(job)
    if job.stage == Stage.FACES:
        if faces := _some(job.faces.filter(change=""), job.face_cursor):
            _set(job, face_cursor=faces[-1])
            return ReEmbeddingPart(job=job, kind=Kind.FACES, items=faces)
        _set(job, stage=Stage.SUMMARY)
    if job.stage == Stage.SUMMARY:
        return ReEmbeddingPart(job=job, kind=Kind.SUMMARY, items=[])
    _set(job, status=Status.READY)
    return None


def missing(job: ReEmbedding):
    """The samples that lack their vector, without those that cannot have one."""
    given_up = job.unembedded.values("sample")
    return samples_without_vector(job.gallery_id, job.pack).exclude(pk__in=given_up)


def still_there(samples: set[UUID]) -> list[UUID]:
    """Those of `samples` that have not been purged meanwhile."""
    return list(FaceSample.with_deleted.filter(pk__in=samples).values_list("pk", flat=True))


def choose_faces(job: ReEmbedding) -> None:
    """Notes which past recognitions the preview looks at: those decided on, the latest first."""
    faces = RecognitionFace.objects.filter(
        request__gallery=job.gallery_id,
        request__purpose=Purpose.RECOGNIZE,
        decision__in=[Decision.KNOWN, Decision.UNKNOWN],
    )
    latest = faces.exclude(crop_landmarks=[]).order_by("-request_id", "index").values_list("pk", flat=True)
    rows = (PreviewedFace(job=job, face_id=face) for face in latest[:PREVIEW_FACES])
    PreviewedFace.objects.bulk_create(rows, ignore_conflicts=True)


def _some(rows, after: UUID | None) -> list[UUID]:
    rows = rows.filter(pk__gt=after) if after else rows
    return list(rows.order_by("pk").values_list("pk", flat=True)[:PART])


def _set(job: ReEmbedding, **values) -> None:
    for name, value in values.items():
        setattr(job, name, value)
    job.save(update_fields=list(values))
    if values.get("status") == Status.READY:
        queue.notify(queue.FINISHED)


# --- Finishing --------------------------------------------------------------------------------------------------------
def finish_samples(*, part: ReEmbeddingPart, vectors: dict[UUID, list[float]], unembedded: dict[UUID, str]) -> None:
    """Writes the vectors of a part. unembedded: sample → why it has none."""
    job = part.job
    rows = [
        FaceEmbedding(gallery_id=job.gallery_id, pack=job.pack, sample_id=sample, vector=vector)
        for sample, vector in vectors.items()
    ]
    try:
        with transaction.atomic():
            FaceEmbedding.objects.bulk_create(rows, ignore_conflicts=True)
            _write_unembedded(part, unembedded)
            _end(part)
    except IntegrityError:  # one has been purged since: the others are embedded again
        release(part=part)


def finish_faces(*, part: ReEmbeddingPart, faces: Sequence[PreviewedFace]) -> None:
    """Writes how a part's faces are decided on."""
    fields = ["change", *(f"{when}{what}" for when in ("before", "after") for what in ("", "_identity", "_distance"))]
    try:
        with transaction.atomic():
            PreviewedFace.objects.bulk_update(faces, fields)
            _end(part)
    except IntegrityError:  # somebody who was found has been purged since: look again
        release(part=part)


@transaction.atomic
def finish_summary(*, part: ReEmbeddingPart, preview: dict) -> None:
    ReEmbedding.objects.filter(pk=part.job_id).update(preview=preview, stage=Stage.COMPLETE)
    _end(part)


def release(*, part: ReEmbeddingPart) -> None:
    """Lets another worker take the part at once."""
    ReEmbeddingPart.objects.filter(pk=part.pk, token=part.token).update(worker=None, attempts=part.attempts - 1)


def fail(*, job: ReEmbedding, message: str) -> None:
    """Ends a run that cannot go on; started again it goes on where it was. One in force stays so."""
    rows = ReEmbedding.objects.filter(pk=job.pk)
    rows.update(error_message=message)
    rows.live().update(status=Status.FAILED)
    queue.notify(queue.FINISHED)


def _write_unembedded(part: ReEmbeddingPart, reasons: dict[UUID, str]) -> None:
    rows = (UnembeddedSample(job=part.job, sample_id=sample, reason=reason) for sample, reason in reasons.items())
    UnembeddedSample.objects.bulk_create(rows, ignore_conflicts=True)


def _end(part: ReEmbeddingPart) -> None:
    ReEmbeddingPart.objects.filter(pk=part.pk, token=part.token).delete()
