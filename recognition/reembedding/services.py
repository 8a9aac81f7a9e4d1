"""Moving a gallery to another model pack: embed again, cut over, go back, forget. For its owners."""

import logging
from uuid import UUID

from django.utils import timezone

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import ApiKey
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, DomainError
from gallery.models import FaceEmbedding, Gallery, ThresholdSource
from gallery.pack_in_force import (
    change_pack,
    delete_vectors_except,
    lock_pack,
    samples_without_vector,
    threshold_settings,
    vectors_by_pack,
)
from gallery.search.indexing import lacks_index
from recognition.photos import queue
from recognition.photos.installed_packs import manifest_of
from recognition.photos.models import RecognitionRequest, Status
from recognition.reembedding.models import ReEmbedding, ReEmbeddingPart

logger = logging.getLogger(__name__)
INDEX_MISSING = "index_missing"
BY_SIZE = {"source": ThresholdSource.SIZE.value, "distance": None}

State, Stage = ReEmbedding.Status, ReEmbedding.Stage


class Incomplete(Conflict):
    """Some samples have no vector of the new pack, so they would not be found any more."""

    code = "reembedding_incomplete"


# --- Embedding again --------------------------------------------------------------------------------------------------
@audited
def start_reembedding(*, actor: Actor, gallery: Gallery, pack: str) -> ReEmbedding:
    """Has the gallery's faces embedded again under `pack`, or lets one that was stopped go on.

    Searches and enrolment go on under the pack in force. Raises Unavailable (pack_not_installed), Conflict where the
    pack is in force already or a re-embedding runs.
    """
    gallery = _held_by_owner(actor, gallery)
    if pack == gallery.pack:
        raise Conflict(f"The model pack {pack} is in force in {gallery} already.")
    _check_none_runs(gallery)
    job = _broken_off(gallery, pack)
    if resumed := job is not None:
        _take_up(job)
    else:
        job = _new(actor, gallery, pack)
    details = {"from": gallery.pack, "to": pack, "resumed": resumed}
    audit.record(actor=actor, action="gallery.reembedding_started", gallery=gallery, target=gallery, details=details)
    queue.notify(queue.QUEUED)
    return job


@audited
def stop_reembedding(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    """Stops after the faces in hand. The vectors made so far are kept; started again, it goes on from there."""
    gallery = _held_by_owner(actor, job.gallery)
    job = ReEmbedding.objects.select_for_update(of=("self",)).select_related("gallery").get(pk=job.pk)
    if job.status not in (State.RUNNING, State.READY):
        raise Conflict("This re-embedding does not run.")
    job.status = State.STOPPED
    job.save(update_fields=["status"])
    details = {"from": job.old_pack, "to": job.pack}
    audit.record(actor=actor, action="gallery.reembedding_stopped", gallery=gallery, target=gallery, details=details)
    return job


def _broken_off(gallery: Gallery, pack: str) -> ReEmbedding | None:
    """The gallery's last re-embedding, if it was to that pack and can go on."""
    last = gallery.reembeddings.order_by("-id").first()
    goes_on = last and last.status in (State.STOPPED, State.FAILED) and not last.restores_id
    same = goes_on and (last.pack, last.old_pack) == (pack, gallery.pack)
    return last if same and last.embedding_id == manifest_of(pack).embedding_id else None


def _take_up(job: ReEmbedding) -> None:
    """Lets it go on: the vectors there are stay, the preview is made anew, and what could not be embedded is tried again."""
    for rows in (job.unembedded, job.parts, job.faces):
        rows.all().delete()
    job.status, job.stage, job.error_message, job.preview = State.RUNNING, Stage.SAMPLES, "", None
    job.cursor = job.face_cursor = None
    job.save()


def _new(actor: Actor, gallery: Gallery, pack: str, restores: ReEmbedding | None = None) -> ReEmbedding:
    job = ReEmbedding.objects.create(
        gallery=gallery,
        old_pack=gallery.pack,
        old_embedding_id=manifest_of(gallery.pack).embedding_id,
        pack=pack,
        embedding_id=manifest_of(pack).embedding_id,
        restores=restores,
        requested_by=actor.user,
        requested_as=actor.as_record(),
    )
    _drop_vectors_of_another_net(job)
    return job


def _drop_vectors_of_another_net(job: ReEmbedding) -> None:
    """Vectors that the gallery has of a pack which is now another net of the same name cannot be compared with new ones."""
    earlier = ReEmbedding.objects.filter(gallery=job.gallery).exclude(pk=job.pk).order_by("-id")
    for other in earlier:
        if job.pack in (other.pack, other.old_pack):
            made_by = other.embedding_id if other.pack == job.pack else other.old_embedding_id
            if made_by != job.embedding_id:
                FaceEmbedding.objects.filter(gallery=job.gallery, pack=job.pack).delete()
            return


# --- Cutting over -----------------------------------------------------------------------------------------------------
def cut_over(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    """Puts the new pack in force. Searches, enrolments and the threshold follow it from the next photo on.

    The threshold of the old pack means nothing under the new one: it goes back to "by size", and is remembered for the
    way back. Raises Incomplete where a sample has no vector yet, Conflict (index_missing) where the gallery is large and
    its index is not built yet, or where the re-embedding does not run.
    """
    try:
        return _cut_over(actor=actor, job=job)
    except Incomplete:
        _look_again(job)
        raise


@audited
def _cut_over(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    _require_owner(actor, job.gallery)
    gallery = lock_pack(job.gallery_id)
    job = ReEmbedding.objects.select_for_update(of=("self",)).select_related("restores").get(pk=job.pk)
    if job.status not in (State.RUNNING, State.READY) or gallery.pack != job.old_pack:
        raise Conflict("This re-embedding does not run: there is nothing to cut over to.")
    _check_complete(gallery, job)
    gallery.reembeddings.filter(status=State.IN_FORCE).update(status=State.LEFT)
    job.old_threshold, job.cut_over_at, job.status = threshold_settings(gallery), timezone.now(), State.IN_FORCE
    job.save(update_fields=["old_threshold", "cut_over_at", "status"])
    job.parts.exclude(kind=ReEmbeddingPart.Kind.SAMPLES).delete()  # of a preview that nobody waited for
    threshold = job.restores.old_threshold if job.restores else BY_SIZE
    change_pack(gallery, job.pack, threshold)
    job.gallery = gallery
    details = {
        "from": job.old_pack,
        "to": job.pack,
        "back": job.restores is not None,
        "threshold": [job.old_threshold, threshold],
    }
    audit.record(actor=actor, action="gallery.pack_changed", gallery=gallery, target=gallery, details=details)
    queue.notify(queue.FINISHED)
    return job


def _check_complete(gallery: Gallery, job: ReEmbedding) -> None:
    """Every sample has its vector; only one that cannot have one may lack it, once it is deleted."""
    lacking = samples_without_vector(gallery.pk, job.pack)
    hopeless = lacking.filter(pk__in=job.unembedded.values("sample"))
    if left := lacking.exclude(pk__in=hopeless.values("pk")).count():
        raise Incomplete(f"{left} of the enrolled faces are not embedded under {job.pack} yet. Wait until they are.")
    if left := hopeless.filter(deleted_at=None, identity__deleted_at=None).count():
        message = f"{left} of the enrolled faces cannot be embedded under {job.pack}. Delete them, or enrol them again."
        raise Conflict(message, code="samples_unembedded")
    if lacks_index(gallery.pk, job.pack):
        message = "The index of the new vectors is still being built; without it searches would be slow. Wait for it."
        raise Conflict(message, code=INDEX_MISSING)


def _look_again(job: ReEmbedding) -> None:
    """Has workers look for lacking samples from the beginning: some came in behind the cursor."""
    ReEmbedding.objects.filter(pk=job.pk, status=State.READY).update(status=State.RUNNING, cursor=None)
    queue.notify(queue.QUEUED)


# --- The way back -----------------------------------------------------------------------------------------------------
def go_back(*, actor: Actor, gallery: Gallery) -> ReEmbedding:
    """Puts the pack in force that was there before, with its threshold: at once where every sample has its old vector.

    Else (people were enrolled since, or the vectors were forgotten) workers embed what is missing first, and cut over by
    themselves. Raises Conflict where there is no pack to go back to, or a re-embedding runs.
    """
    job = _start_way_back(actor=actor, gallery=gallery)
    try:
        return _cut_over(actor=actor, job=job)
    except Conflict as error:
        logger.info("the way back of %s waits: %s", gallery, error)
        return job


@audited
def _start_way_back(*, actor: Actor, gallery: Gallery) -> ReEmbedding:
    gallery = _held_by_owner(actor, gallery)
    _check_none_runs(gallery)
    last = previous(gallery)
    if last is None:
        raise Conflict(f"{gallery} has had no other model pack: there is nothing to go back to.")
    job = _new(actor, gallery, last.old_pack, restores=last)
    details = {"from": gallery.pack, "to": job.pack, "back": True}
    audit.record(actor=actor, action="gallery.reembedding_started", gallery=gallery, target=gallery, details=details)
    queue.notify(queue.QUEUED)
    return job


def finish_way_back(*, only: UUID | None = None) -> bool:
    """Cuts those over that go back and are complete by now, in the name of who asked. Returns whether there was one."""
    waiting = ReEmbedding.objects.filter(status=State.READY, restores__isnull=False).select_related("gallery")
    done = False
    for job in waiting.filter(pk=only) if only else waiting:
        try:
            cut_over(actor=_actor_of(job), job=job)
            done = True
        except Incomplete:
            continue  # somebody was enrolled just now: looked at again
        except DomainError as error:
            if error.code == INDEX_MISSING:
                continue
            ReEmbedding.objects.filter(pk=job.pk).update(status=State.FAILED, error_message=error.message)
    return done


def previous(gallery: Gallery) -> ReEmbedding | None:
    """The move that put the gallery's present pack in force; None where it has had no other."""
    return gallery.reembeddings.filter(status=State.IN_FORCE).first()


@audited
def forget_old_vectors(*, actor: Actor, gallery: Gallery) -> dict[str, int]:
    """Deletes the gallery's vectors of packs that are not in force. Going back then embeds all faces again.

    Returns how many went of each pack.
    """
    gallery = _held_by_owner(actor, gallery)
    _check_none_runs(gallery)
    gone = {pack: count for pack, count in vectors_by_pack(gallery.pk).items() if pack != gallery.pack}
    if not gone:
        raise Conflict(f"{gallery} has no vectors but those of {gallery.pack}.")
    open_requests = RecognitionRequest.objects.filter(gallery=gallery, status__in=[Status.QUEUED, Status.RUNNING])
    if open_requests.filter(pack__in=gone).exists():
        raise Conflict("Some photos are still being looked at under the old pack. Try again in a moment.")
    delete_vectors_except(gallery.pk, packs={gallery.pack})
    audit.record(actor=actor, action="gallery.vectors_forgotten", gallery=gallery, target=gallery, details=gone)
    return gone


# --- Both -------------------------------------------------------------------------------------------------------------
def _require_owner(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)


def _held_by_owner(actor: Actor, gallery: Gallery) -> Gallery:
    """The gallery as it is now. Locked against other changes of it, while people may be enrolled."""
    _require_owner(actor, gallery)
    return Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)


def _check_none_runs(gallery: Gallery) -> None:
    if job := gallery.reembeddings.live().first():
        raise Conflict(f"The faces of {gallery} are being embedded under {job.pack}. Cut over to it, or stop it first.")


def _actor_of(job: ReEmbedding) -> Actor:
    """Who asked. Raises NotAllowed where the account is gone."""
    key = job.requested_as["api_key"]
    api_key = ApiKey.objects.filter(pk=key).first() if key else None
    return Actor.from_record(job.requested_by, job.requested_as, api_key)
