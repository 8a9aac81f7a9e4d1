"""Writes on subjects, that is, on people found by their name, ignoring case as CompreFace does.

Names are unique in CompreFace but not in a gallery. A call by a name that several people have changes nothing. Creating or
renaming a person locks the gallery, so that two calls at once do not create two people with the same name.
"""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q

from accounts.actor import Actor
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput, NotFound
from faceplatform.text import clean_name, storable
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import create_identity, delete_identity, delete_sample, update_identity
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo, inspect_photo, submit_enrolment

NAME_LENGTH, ID_LENGTH = 200, 100  # of Identity's columns; ids are cut as they always were, to be found again
SHARED_NAME = (
    "{count} people in the gallery are called “{name}”, but subjects are identified by their names. "
    "Give them different names in the gallery, or merge them if they are one person."
)


def subjects_named(gallery: Gallery, name: str) -> list[Identity]:
    """The people with exactly this name or, if there are none, those whose name differs only in case."""
    people = Identity.objects.select_related("gallery").filter(gallery=gallery).order_by("pk")
    return list(people.filter(name=name)) or list(people.filter(name__iexact=clean_name(name)))


def subject_named(gallery: Gallery, name: str) -> Identity | None:
    """The person with this name. Raises InvalidInput if several people have it."""
    people = subjects_named(gallery, name)
    if len(people) > 1:
        raise InvalidInput(SHARED_NAME.format(count=len(people), name=name))
    return people[0] if people else None


def require_subject(gallery: Gallery, name: str) -> Identity:
    """Like `subject_named`, but raises NotFound (subject_not_found) if nobody has the name."""
    identity = subject_named(gallery, name)
    if identity is None:
        raise NotFound(f"Subject with name {name} is not found", code="subject_not_found")
    return identity


@transaction.atomic
def add_subject(*, actor: Actor, gallery: Gallery, name: str) -> Identity:
    """Creates a person. Raises Conflict (subject_exists)."""
    _lock_gallery(actor, gallery)
    if subjects_named(gallery, name):
        raise Conflict("Subject already exists", code="subject_exists")
    return create_identity(actor=actor, gallery=gallery, name=name)


@transaction.atomic
def rename_subject(*, actor: Actor, gallery: Gallery, name: str, new_name: str) -> bool:
    """Renames a person or, if somebody else has the new name, merges into them. Both can be undone.

    Returns whether anything changed. Raises NotFound (subject_not_found), and InvalidInput if a name is ambiguous.
    """
    _lock_gallery(actor, gallery)
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
    """Deletes the person with this name, or everybody. Each deletion can be undone. Returns the number of people and of
    their faces. Raises InvalidInput if several people have the name.
    """
    _lock_gallery(actor, gallery)
    if name is None:
        people = list(Identity.objects.select_related("gallery").filter(gallery=gallery).order_by("pk"))
    else:
        people = [identity] if (identity := subject_named(gallery, name)) else []
    faces = FaceSample.objects.enrolled().filter(identity__in=people).count()
    for identity in people:
        delete_identity(actor=actor, identity=identity)
    return len(people), faces


@transaction.atomic
def delete_faces(*, actor: Actor, samples: list[FaceSample]) -> None:
    """Deletes the samples, all or none. Each deletion can be undone."""
    for sample in samples:
        delete_sample(actor=actor, sample=sample)


@transaction.atomic
def submit_example(
    *, actor: Actor, gallery: Gallery, name: str, photo: Photo, min_detection_score: float | None = None
) -> tuple[RecognitionRequest, bool]:
    """Queues a photo to be enrolled for the subject, creating the person if there is none with this name.

    Returns the request, and whether a person was created. Raises InvalidInput, Unprocessable, Unavailable (no_worker).
    """
    inspect_photo(photo)
    _lock_gallery(actor, gallery)
    existing = subject_named(gallery, name)
    identity = existing or create_identity(actor=actor, gallery=gallery, name=name)
    [row] = submit_enrolment(actor=actor, identity=identity, photos=[photo], min_detection_score=min_detection_score)
    return row, existing is None


@transaction.atomic
def delete_if_empty(*, actor: Actor, identity: Identity) -> None:
    """Deletes a person who was created for a photo that was refused, unless another photo is enrolled or still queued."""
    _lock_gallery(actor, identity.gallery)
    waiting = RecognitionRequest.objects.filter(identity=identity, status__in=[Status.QUEUED, Status.RUNNING])
    exists = Identity.objects.filter(pk=identity.pk).exists()
    if exists and not identity.samples.exists() and not waiting.exists():
        delete_identity(actor=actor, identity=identity)


def prepare_subjects(*, actor: Actor, gallery: Gallery, names: Iterable[str]) -> list[str]:
    """Makes sure that there is a person for each subject of a CompreFace, marked by the external id. Returns doubtful names.

    A person with the subject's name and no external id is taken to be the subject. A name is doubtful if a person with
    another external id has it, or several people do: then a further person of that name is created.
    """
    actor.require_role(gallery, Role.CURATOR)
    merged_or_standing = Q(deleted_at=None) | ~Q(merged_into=None)
    people = Identity.with_deleted.filter(merged_or_standing, gallery=gallery)
    known: set[str] = set(people.values_list("external_id", flat=True))
    doubtful = []
    for name in filter(None, (storable(clean_name(name), NAME_LENGTH) for name in names)):
        if (key := external_id_of(name)) in known:
            continue
        known.add(key)
        namesakes = subjects_named(gallery, name)
        if len(namesakes) == 1 and not namesakes[0].external_id:
            update_identity(actor=actor, identity=namesakes[0], external_id=key)
            continue
        create_identity(actor=actor, gallery=gallery, name=name, external_id=key)
        if namesakes:
            doubtful.append(name)
    return doubtful


def external_id_of(subject: str) -> str:
    """The external id by which an import finds the subject's person again, even if the person has been renamed."""
    return storable(clean_name(subject), ID_LENGTH)


def _lock_gallery(actor: Actor, gallery: Gallery) -> None:
    actor.require_role(gallery, Role.CURATOR)
    Gallery.objects.select_for_update(no_key=True).get(pk=gallery.pk)
