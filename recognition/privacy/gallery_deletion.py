"""Deleting a closed gallery once its waiting time is over, with a report like that of an erasure; see gallery/closing.py.

Its rows are deleted in batches, so that no transaction is long, and a job that is killed goes on where it was: the counts are
kept in the gallery's row. The last transaction empties the audit's events about its people, and deletes the gallery itself.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from accounts import audit, idempotency
from accounts.actor import Actor
from accounts.audit import audited, chain
from accounts.models import ApiKey, AuditEvent, IdempotentAnswer, Look, Membership
from faceplatform.errors import Conflict
from gallery.models import FaceSample, Gallery, Identity
from recognition.alerts.models import Alert
from recognition.cameras.models import Camera, Sighting, UnknownPerson
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import RecognitionRequest
from recognition.privacy.counting import delete_rows, table_of
from recognition.privacy.erasure import finish_after_commit
from recognition.privacy.models import Erasure
from recognition.privacy.sightings import delete_sightings, delete_unknowns
from recognition.privacy.subject import history_of
from recognition.privacy.traces import ADMIN_MODELS

logger = logging.getLogger(__name__)
BATCH = 200  # rows deleted per transaction, and what belongs to them
EVENTS_AT_ONCE = 5_000
REASON = gettext_noop("The gallery was deleted.")
AGAIN = gettext_noop("The gallery was deleted again after a restore.")


def preview_of(gallery: Gallery) -> dict[str, int]:
    """How much goes with the gallery."""
    people = Identity.with_deleted.filter(gallery=gallery)
    requests = RecognitionRequest.objects.filter(gallery=gallery)
    return {
        "people": people.filter(deleted_at=None).count(),
        "deleted_people": people.exclude(deleted_at=None).count(),
        "samples": FaceSample.with_deleted.filter(gallery=gallery).count(),
        "recognitions": requests.count(),
        "photos": requests.filter(photo__isnull=False).count(),
        "imports": Import.objects.filter(gallery=gallery).count(),
        "cameras": Camera.objects.filter(gallery=gallery).count(),
        "sightings": Sighting.objects.filter(gallery=gallery).count(),
        "members": Membership.with_closed.filter(gallery=gallery).count(),
        "api_keys": ApiKey.objects.filter(gallery=gallery).count(),
    }


def deletion_as_dict(gallery: Gallery) -> dict[str, Any]:
    """The preview with the state, as JSON."""
    return {
        "gallery": gallery.slug,
        "deletes_at": gallery.deletes_at.isoformat() if gallery.deletes_at else None,
        "requested_by": gallery.deletion["by"] if gallery.deletion else None,
        "waiting_days": settings.GALLERY_DELETION_DAYS,
        "counts": preview_of(gallery),
    }


def delete_due(*, actor: Actor) -> list[Erasure]:
    """Deletes every gallery whose waiting time is over. What goes wrong with one does not keep the others."""
    erasures = []
    for gallery in Gallery.objects.filter(deletes_at__lte=timezone.now()).order_by("deletes_at"):
        try:
            if erasure := delete_closed(actor=actor, gallery_id=gallery.pk):
                erasures.append(erasure)
        except Exception:
            logger.exception("the gallery %s could not be deleted; the next run tries again", gallery.slug)
    return erasures


def delete_closed(*, actor: Actor, gallery_id: UUID) -> Erasure | None:
    """Deletes one gallery. Returns the report; None if another process has deleted it meanwhile.

    Raises Conflict (not_due) if it is not closed, or may still be opened again.
    """
    while _delete_batch(gallery_id):
        pass
    return _finish(actor=actor, gallery_id=gallery_id)


def repeat_deletions(*, actor: Actor, deleted: set[UUID]) -> list[Erasure]:
    """Deletes again the galleries that came back with a restored backup, without a waiting time."""
    back = Gallery.objects.filter(pk__in=deleted)
    again = {"by": actor.name, "reason": AGAIN, "began": False, "counts": {}}
    back.update(deletes_at=timezone.now(), deletion=again)
    erasures = [delete_closed(actor=actor, gallery_id=gallery.pk) for gallery in list(back)]
    return [erasure for erasure in erasures if erasure]


@transaction.atomic
def _delete_batch(gallery_id: UUID) -> bool:
    """Returns whether there was anything to delete."""
    gallery = _lock_due(gallery_id)
    if gallery is None:
        return False
    counts = next((counts for counts in _batches(gallery) if counts), Counter())
    deletion: dict[str, Any] = gallery.deletion or {}
    gallery.deletion = deletion | {"began": True, "counts": Counter(deletion["counts"]) + counts}
    gallery.save(update_fields=["deletion"])
    return bool(counts)


def _lock_due(gallery_id: UUID) -> Gallery | None:
    gallery = Gallery.objects.select_for_update().filter(pk=gallery_id).first()
    if gallery is not None and (gallery.deletes_at is None or gallery.deletes_at > timezone.now()):
        raise Conflict("This gallery is not due for deletion.", code="not_due")
    return gallery


def _batches(gallery: Gallery) -> Iterator[Counter[str]]:
    """Deletes a batch of each kind, in turn, when the next one is asked for."""
    if not (gallery.deletion or {})["began"]:
        yield _forget_answers(gallery)
    yield _delete_some(RecognitionRequest.objects.filter(gallery=gallery))
    yield _delete_some(ImportPiece.objects.filter(job__gallery=gallery))
    yield _delete_some(ImportRow.objects.filter(job__gallery=gallery))
    yield _delete_some(Look.objects.filter(gallery_id=gallery.pk))
    yield _delete_some(Alert.objects.filter(gallery=gallery))
    yield delete_sightings(_some(Sighting.objects.filter(gallery=gallery)))
    yield delete_unknowns(_some(UnknownPerson.objects.filter(gallery=gallery)))
    yield _delete_people(gallery)
    yield _delete_some(history_of("Identity").filter(gallery=gallery))


def _delete_some(rows: Any) -> Counter[str]:
    keys = _some(rows)
    admin_log = LogEntry.objects.filter(object_id__in=map(str, keys), content_type__model__in=ADMIN_MODELS)
    return delete_rows(admin_log) + delete_rows(rows.filter(pk__in=keys).only("pk"))


def _some(rows: Any) -> list[Any]:
    """The keys of a batch."""
    return list(rows.order_by().values_list("pk", flat=True)[:BATCH])


def _delete_people(gallery: Gallery) -> Counter[str]:
    """A batch of people with their samples, and the history of both."""
    people = list(Identity.with_deleted.filter(gallery=gallery).values_list("pk", flat=True)[:BATCH])
    samples = list(FaceSample.with_deleted.filter(identity__in=people).values_list("pk", flat=True))
    known = map(str, [*people, *samples])
    counts = delete_rows(LogEntry.objects.filter(object_id__in=known, content_type__model__in=ADMIN_MODELS))
    counts += delete_rows(Identity.with_deleted.filter(pk__in=people))
    counts += delete_rows(history_of("Identity").filter(pgh_obj_id__in=people))
    return counts + delete_rows(history_of("FaceSample").filter(Q(identity__in=people) | Q(pgh_obj_id__in=samples)))


def _forget_answers(gallery: Gallery) -> Counter[str]:
    """The stored answers to calls about the gallery or anything in it."""
    kinds = (Identity.with_deleted, FaceSample.with_deleted, RecognitionRequest.objects, Import.objects)
    seen = (Sighting.objects, UnknownPerson.objects)

    def known(ids: set[UUID]) -> set[UUID]:
        theirs: set[UUID] = set()
        for rows in (*kinds, *seen):
            theirs |= {*rows.filter(gallery=gallery, pk__in=ids).values_list("pk", flat=True)}
        return theirs

    named = f'"(gallery|slug)": ?"{gallery.slug}"'
    return +Counter({table_of(IdempotentAnswer): idempotency.forget(known=known, pattern=named, key_pattern=".")})


@audited
def _finish(*, actor: Actor, gallery_id: UUID) -> Erasure | None:
    gallery = _lock_due(gallery_id)
    if gallery is None or gallery.deletion is None:
        return None
    events = _events_about_people(gallery)
    counts = Counter(gallery.deletion["counts"]) + Counter({table_of(AuditEvent): len(events)})
    erasure = Erasure.objects.create(
        gallery=gallery,
        gallery_slug=gallery.slug,
        whole_gallery=True,
        reason=gallery.deletion["reason"] or REASON,
        erased_by=gallery.deletion["by"],
    )
    details = {"whole_gallery": True, "identities": []} | chain.redaction_details(events)
    event = audit.record(actor=actor, action=chain.ERASED, gallery=gallery, target=erasure, details=details)
    for start in range(0, len(events), EVENTS_AT_ONCE):
        chain.redact(erasure=event, events=events[start : start + EVENTS_AT_ONCE])
    counts += delete_rows(Gallery.objects.filter(pk=gallery.pk))
    erasure.event_id, erasure.counts = event.pk, dict(sorted(counts.items()))
    erasure.save(update_fields=["event_id", "counts"])
    erasure.refresh_from_db()
    transaction.on_commit(lambda: finish_after_commit(erasure))
    return erasure


def _events_about_people(gallery: Gallery) -> list[UUID]:
    personal = Q(object_type__in=chain.PERSONAL) | Q(object_type="gallery", action__startswith="vector.")
    events = AuditEvent.objects.filter(personal, gallery_id=gallery.pk, redacted_by=None).exclude(action=chain.ERASED)
    return list(events.order_by("id").values_list("pk", flat=True))
