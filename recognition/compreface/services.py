"""Writes on subjects: people found by their name, as CompreFace does it, without regard to case.

Names are unique in CompreFace and not in a gallery. Where several people have a name, nothing is changed by it. What makes
or renames somebody locks the gallery, so that two calls at once do not make two people of one name.
"""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from accounts.actor import Actor
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotFound
from faceplatform.text import storable
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import create_identity, delete_identity, delete_sample, update_identity
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo, inspect_photo, submit_enrolment

NAME_LENGTH, ID_LENGTH = (Identity._meta.get_field(field).max_length for field in ("name", "external_id"))
SEVERAL = (
    "{count} people in the gallery are called “{name}”, and subjects are told apart by their names. "
    "Give them different names in the gallery, or merge them if they are one person."
)


def subjects_named(gallery: Gallery, name: str) -> list[Identity]:
    """The people of this name; where there are none, those whose name differs only in case."""
    people = Identity.objects.select_related("gallery").filter(gallery=gallery).order_by("pk")
    return list(people.filter(name=name)) or list(people.filter(name__iexact=name))


def subject_named(gallery: Gallery, name: str) -> Identity | None:
    """Raises InvalidInput where several have the name."""
    found = subjects_named(gallery, name)
    if len(found) > 1:
        raise InvalidInput(SEVERAL.format(count=len(found), name=name))
    return found[0] if found else None


def require_subject(gallery: Gallery, name: str) -> Identity:
    """Raises NotFound (subject_not_found) and InvalidInput."""
    found = subject_named(gallery, name)
    if found is None:
        raise NotFound(f"Subject with name {name} is not found", code="subject_not_found")
    return found


@transaction.atomic
def add_subject(*, actor: Actor, gallery: Gallery, name: str) -> Identity:
    """A new person. Raises Conflict (subject_exists)."""
    _lock(actor, gallery)
    if subjects_named(gallery, name):
        raise Conflict("Subject already exists", code="subject_exists")
    return create_identity(actor=actor, gallery=gallery, name=name)


@transaction.atomic
def rename_subject(*, actor: Actor, gallery: Gallery, name: str, new_name: str) -> bool:
    """Renames; where the new name is taken, merges into who has it. Both can be undone. Returns whether anything changed."""
    _lock(actor, gallery)
    identity = require_subject(gallery, name)
    if new_name == identity.name:
        return False
    other = subject_named(gallery, new_name)
    if other is None or other.pk == identity.pk:
        update_identity(actor=actor, identity=identity, name=new_name)
    else:
        merge_identities(actor=actor, into=other, others=[identity])
    return True


@transaction.atomic
def delete_subjects(*, actor: Actor, gallery: Gallery, name: str | None = None) -> tuple[int, int]:
    """Deletes the subject of this name, or all. Each can be undone. Returns how many people, and how many faces of them."""
    _lock(actor, gallery)
    if name is None:
        people = list(Identity.objects.select_related("gallery").filter(gallery=gallery).order_by("pk"))
    else:
        people = [found] if (found := subject_named(gallery, name)) else []
    faces = FaceSample.objects.enrolled().filter(identity__in=people).count()
    for identity in people:
        delete_identity(actor=actor, identity=identity)
    return len(people), faces


@transaction.atomic
def delete_faces(*, actor: Actor, samples: list[FaceSample]) -> None:
    for sample in samples:
        delete_sample(actor=actor, sample=sample)


@transaction.atomic
def submit_example(
    *, actor: Actor, gallery: Gallery, name: str, photo: Photo, min_detection_score: float | None = None
) -> tuple[RecognitionRequest, bool]:
    """Queues a photo of the subject, who is made where there is none. Returns the request, and whether somebody was made."""
    inspect_photo(photo)
    _lock(actor, gallery)
    found = subject_named(gallery, name)
    identity = found or create_identity(actor=actor, gallery=gallery, name=name)
    [row] = submit_enrolment(actor=actor, identity=identity, photos=[photo], min_detection_score=min_detection_score)
    return row, found is None


@transaction.atomic
def forget_if_empty(*, actor: Actor, identity: Identity) -> None:
    """Deletes somebody who was made for a photo that was refused, unless another photo of them came or is on its way."""
    _lock(actor, identity.gallery)
    waiting = RecognitionRequest.objects.filter(identity=identity, status__in=[Status.QUEUED, Status.RUNNING])
    standing = Identity.objects.filter(pk=identity.pk).exists()
    if standing and not identity.samples.exists() and not waiting.exists():
        delete_identity(actor=actor, identity=identity)


def prepare_subjects(*, actor: Actor, gallery: Gallery, names: Iterable[str]) -> list[str]:
    """Sees to a person for each subject of a CompreFace, found again by the external id. Returns doubtful names.

    Who has the name and no external id is taken for the subject. A name is doubtful where somebody with another external id,
    or several people, have it: then there is one person more of that name.
    """
    actor.require_role(gallery, Role.CURATOR)
    merged_or_standing = Q(deleted_at=None) | ~Q(merged_into=None)
    known = Identity.with_deleted.filter(merged_or_standing, gallery=gallery)
    known, doubtful = set(known.values_list("external_id", flat=True)), []
    for name in filter(None, (storable(name.strip(), NAME_LENGTH) for name in names)):
        if (key := external_id_of(name)) in known:
            continue
        known.add(key)
        same = subjects_named(gallery, name)
        if len(same) == 1 and not same[0].external_id:
            update_identity(actor=actor, identity=same[0], external_id=key)
            continue
        create_identity(actor=actor, gallery=gallery, name=name, external_id=key)
        doubtful += [name] if same else []
    return doubtful


def external_id_of(subject: str) -> str:
    """By which an import finds the person of a subject again, whatever the person is called meanwhile."""
    return storable(subject, ID_LENGTH)


def _lock(actor: Actor, gallery: Gallery) -> None:
    actor.require_role(gallery, Role.CURATOR)
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
