"""Moving a gallery to another model pack: embedding again, cutting over, going back, deleting old vectors. For owners."""

import logging
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

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
    """Some samples have no vector of the new pack yet, so searches would no longer find them."""

    code = "reembedding_incomplete"


# --- Embedding again --------------------------------------------------------------------------------------------------
@audited
def start_reembedding(*, actor: Actor, gallery: Gallery, pack: str) -> ReEmbedding:
    """Starts embedding the gallery's faces under `pack`, or resumes a stopped or failed re-embedding to it.

    Searches and enrolment continue under the pack in force. Raises NotAllowed, Unavailable (pack_not_installed), and Conflict
    if the pack is already in force or a re-embedding is running.
    """
    gallery = _lock_for_owner(actor, gallery)
    if pack == gallery.pack:
        raise Conflict(
            _("The model pack %(pack)s is already in force in %(gallery)s.") % {"pack": pack, "gallery": gallery}
        )
    _require_none_running(gallery)
    job = _find_resumable(gallery, pack)
    if resumed := job is not None:
        _resume(job)
    else:
        job = _create(actor, gallery, pack)
    details = {"from": gallery.pack, "to": pack, "resumed": resumed}
    audit.record(actor=actor, action="gallery.reembedding_started", gallery=gallery, target=gallery, details=details)
    queue.notify(queue.QUEUED)
    return job


@audited
def stop_reembedding(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    """Stops once workers finish their current faces. Vectors made so far are kept; started again, it continues.

    Raises NotAllowed, and Conflict if it is not running.
    """
    gallery = _lock_for_owner(actor, job.gallery)
    job = ReEmbedding.objects.select_for_update(of=("self",)).select_related("gallery").get(pk=job.pk)
    if job.status not in (State.RUNNING, State.READY):
        raise Conflict(_("This re-embedding is not running."))
    job.status = State.STOPPED
    job.save(update_fields=["status"])
    details = {"from": job.old_pack, "to": job.pack}
    audit.record(actor=actor, action="gallery.reembedding_stopped", gallery=gallery, target=gallery, details=details)
    return job


def _find_resumable(gallery: Gallery, pack: str) -> ReEmbedding | None:
    """The gallery's last re-embedding, if it was to that pack and can be resumed."""
    last = gallery.reembeddings.order_by("-id").first()
    if last is None or last.restores_id or last.status not in (State.STOPPED, State.FAILED):
        return None
    if (last.pack, last.old_pack) != (pack, gallery.pack):
        return None
    return last if last.embedding_id == manifest_of(pack).embedding_id else None


def _resume(job: ReEmbedding) -> None:
    """Keeps the vectors made so far, makes the preview again, and retries what could not be embedded."""
    for rows in (job.unembedded, job.parts, job.faces):
        rows.all().delete()
    job.status, job.stage, job.error_message, job.preview = State.RUNNING, Stage.SAMPLES, "", None
    job.cursor = job.face_cursor = None
    job.save()


def _create(actor: Actor, gallery: Gallery, pack: str, restores: ReEmbedding | None = None) -> ReEmbedding:
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
    _delete_vectors_of_another_net(job)
    return job


def _delete_vectors_of_another_net(job: ReEmbedding) -> None:
    """Deletes vectors of the pack if another net was installed under its name since: they cannot be compared with new ones."""
    earlier = ReEmbedding.objects.filter(gallery=job.gallery).exclude(pk=job.pk).order_by("-id")
    for other in earlier:
        if job.pack in (other.pack, other.old_pack):
            old_net = other.embedding_id if other.pack == job.pack else other.old_embedding_id
            if old_net != job.embedding_id:
                FaceEmbedding.objects.filter(gallery=job.gallery, pack=job.pack).delete()
            return


# --- Cutting over -----------------------------------------------------------------------------------------------------
def cut_over(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    """Puts the new pack in force. Searches and enrolment use it from the next photo on.

    The threshold of the old pack means nothing under the new one: it is stored for the way back and reset to "by size".
    Raises NotAllowed; Incomplete if a sample has no vector yet; Conflict (samples_unembedded) if some cannot be embedded,
    (index_missing) if the index of a large gallery is not built yet, or if the re-embedding is not running.
    """
    try:
        return _cut_over(actor=actor, job=job)
    except Incomplete:
        _rescan_samples(job)
        raise


@audited
def _cut_over(*, actor: Actor, job: ReEmbedding) -> ReEmbedding:
    _require_owner(actor, job.gallery)
    gallery = lock_pack(job.gallery_id)
    job = ReEmbedding.objects.select_for_update(of=("self",)).select_related("restores").get(pk=job.pk)
    if job.status not in (State.RUNNING, State.READY) or gallery.pack != job.old_pack:
        raise Conflict(_("This re-embedding is not running, so there is nothing to cut over to."))
    _check_complete(gallery, job)
    gallery.reembeddings.filter(status=State.IN_FORCE).update(status=State.LEFT)
    job.old_threshold, job.cut_over_at, job.status = threshold_settings(gallery), timezone.now(), State.IN_FORCE
    job.save(update_fields=["old_threshold", "cut_over_at", "status"])
    job.parts.exclude(kind=ReEmbeddingPart.Kind.SAMPLES).delete()  # a preview that is no longer needed
    restored = job.restores.old_threshold if job.restores else None
    threshold = restored or BY_SIZE
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
    """Raises Conflict unless every sample has its vector; samples that cannot be embedded must have been deleted."""
    lacking = samples_without_vector(gallery.pk, job.pack)
    unembeddable = lacking.filter(pk__in=job.unembedded.values("sample"))
    if left := lacking.exclude(pk__in=unembeddable.values("pk")).count():
        message = _("%(count)s of the enrolled faces are not embedded under %(pack)s yet. Wait until they are.")
        raise Incomplete(message % {"count": left, "pack": job.pack})
    if left := unembeddable.filter(deleted_at=None, identity__deleted_at=None).count():
        message = _(
            "%(count)s of the enrolled faces cannot be embedded under %(pack)s. Delete them, or enrol them again."
        )
        raise Conflict(message % {"count": left, "pack": job.pack}, code="samples_unembedded")
    if lacks_index(gallery.pk, job.pack):
        message = _(
            "The index of the new vectors is still being built; without it searches would be slow. Wait until it is done."
        )
        raise Conflict(message, code=INDEX_MISSING)


def _rescan_samples(job: ReEmbedding) -> None:
    """Makes workers look for samples from the start again: some were added behind the cursor."""
    ReEmbedding.objects.filter(pk=job.pk, status=State.READY).update(status=State.RUNNING, cursor=None)
    queue.notify(queue.QUEUED)


# --- The way back -----------------------------------------------------------------------------------------------------
def go_back(*, actor: Actor, gallery: Gallery) -> ReEmbedding:
    """Puts the previous pack in force again, with its threshold: at once if every sample still has its old vector.

    Otherwise (people were enrolled since, or old vectors were deleted) workers first embed what is missing and then cut over
    by themselves. Raises NotAllowed, Unavailable (pack_not_installed), and Conflict if there is no pack to go back to or a
    re-embedding is running.
    """
    job = _start_way_back(actor=actor, gallery=gallery)
    try:
        return _cut_over(actor=actor, job=job)
    except Conflict as error:
        logger.info("going back in %s waits: %s", gallery, error)
        return job


@audited
def _start_way_back(*, actor: Actor, gallery: Gallery) -> ReEmbedding:
    gallery = _lock_for_owner(actor, gallery)
    _require_none_running(gallery)
    last = last_move(gallery)
    if last is None:
        raise Conflict(
            _("%(gallery)s has had no other model pack, so there is nothing to go back to.") % {"gallery": gallery}
        )
    job = _create(actor, gallery, last.old_pack, restores=last)
    details = {"from": gallery.pack, "to": job.pack, "back": True}
    audit.record(actor=actor, action="gallery.reembedding_started", gallery=gallery, target=gallery, details=details)
    queue.notify(queue.QUEUED)
    return job


def finish_way_back(*, only: UUID | None = None) -> bool:
    """Cuts over every way back that is complete, on behalf of whoever asked for it. Returns whether there was one."""
    waiting = ReEmbedding.objects.filter(status=State.READY, restores__isnull=False).select_related("gallery")
    any_cut_over = False
    for job in waiting.filter(pk=only) if only else waiting:
        try:
            cut_over(actor=_actor_of(job), job=job)
            any_cut_over = True
        except Incomplete:
            continue  # somebody has just been enrolled; their samples are embedded first
        except DomainError as error:
            if error.code == INDEX_MISSING:
                continue
            ReEmbedding.objects.filter(pk=job.pk).update(status=State.FAILED, error_message=error.message)
    return any_cut_over


def last_move(gallery: Gallery) -> ReEmbedding | None:
    """The re-embedding that put the gallery's present pack in force; None if it has had no other pack."""
    return gallery.reembeddings.filter(status=State.IN_FORCE).first()


@audited
def forget_old_vectors(*, actor: Actor, gallery: Gallery) -> dict[str, int]:
    """Deletes the gallery's vectors of packs that are not in force. Going back then has to embed all faces again.

    Returns the number deleted per pack. Raises NotAllowed, and Conflict if there are none, a re-embedding is running, or
    photos are still being processed under an old pack.
    """
    gallery = _lock_for_owner(actor, gallery)
    _require_none_running(gallery)
    old = {pack: count for pack, count in vectors_by_pack(gallery.pk).items() if pack != gallery.pack}
    if not old:
        raise Conflict(_("%(gallery)s only has vectors of %(pack)s.") % {"gallery": gallery, "pack": gallery.pack})
    open_requests = RecognitionRequest.objects.filter(gallery=gallery, status__in=[Status.QUEUED, Status.RUNNING])
    if open_requests.filter(pack__in=old).exists():
        raise Conflict(_("Some photos are still being processed under the old pack. Try again in a moment."))
    delete_vectors_except(gallery.pk, packs={gallery.pack})
    audit.record(actor=actor, action="gallery.vectors_forgotten", gallery=gallery, target=gallery, details=old)
    return old


# --- Checks and locks -------------------------------------------------------------------------------------------------
def _require_owner(actor: Actor, gallery: Gallery) -> None:
    actor.require_scope(Scope.MANAGE)
    actor.require_role(gallery, Role.OWNER)


def _lock_for_owner(actor: Actor, gallery: Gallery) -> Gallery:
    """The gallery as it is now, locked against other changes to it; people can still be enrolled."""
    _require_owner(actor, gallery)
    return Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)


def _require_none_running(gallery: Gallery) -> None:
    if job := gallery.reembeddings.live().first():
        message = _("The faces of %(gallery)s are being embedded under %(pack)s. Cut over to it, or stop it first.")
        raise Conflict(message % {"gallery": gallery, "pack": job.pack})


def _actor_of(job: ReEmbedding) -> Actor:
    """Whoever asked for it. Raises NotAllowed if the account has been deleted."""
    key = job.requested_as["api_key"]
    api_key = ApiKey.objects.filter(pk=key).first() if key else None
    return Actor.from_record(job.requested_by, job.requested_as, api_key)
