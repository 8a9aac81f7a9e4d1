"""Writes to galleries, identities and samples: keyword-only, atomic, audited, with the actor's role checked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Model
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent, Membership
from accounts.roles import Role
from faceplatform.database.names import NameField
from faceplatform.database.planned import planned_cursor
from faceplatform.errors import Conflict, DomainError, InvalidInput, NotAllowed
from faceplatform.text import clean_name
from gallery.metadata import require_bounded
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Gallery, Identity, ThresholdSource
from gallery.pack_in_force import hold_pack
from gallery.slugs import slugs_for

GALLERY_FIELDS = (
    "name", "threshold_source", "threshold_distance", "target_fpir", "quality_gate", "liveness", "keep_photos",
    "requires_consent", "time_zone", "day_starts_at",
)  # fmt: skip
THRESHOLD_FIELDS = ("threshold_source", "threshold_distance")
CONSENT_FIELDS = ("consent", "consent_by", "consent_at", "consent_until", "consent_note")
IDENTITY_FIELDS = ("name", "external_id", "department", "position", "active", "hidden", "metadata", *CONSENT_FIELDS)


@dataclass(frozen=True, slots=True)
class EnrolledFace:
    """What the engine found in an enrolment photo, as plain values.

    box: x, y, width, height in photo px. landmarks: five [x, y] in crop px. embedding: float32 (dim,).
    """

    photo_name: str
    photo_sha256: str
    photo_width: int
    photo_height: int
    box: list[float]
    detection_score: float
    quality_score: float
    quality: dict[str, Any]
    crop_jpeg: bytes
    crop_width: int
    crop_height: int
    crop_landmarks: list[list[float]]
    embedding: np.ndarray


@audited
def create_gallery(*, actor: Actor, name: str, slug: str = "", **fields: object) -> Gallery:
    """Creates a gallery with the actor as its owner. Only staff may. fields: of GALLERY_FIELDS.

    slug: made from the name if empty. Raises Conflict if the one given is taken.
    """
    if actor.user is not None and not (actor.user.is_staff or actor.user.is_superuser):
        raise NotAllowed(_("Only staff may create a gallery. Ask an operator to create it and to make you its owner."))
    if actor.api_key is not None and actor.api_key.gallery_id is not None:
        raise NotAllowed(_("This API key is limited to one gallery. Use a key for all galleries to create another."))
    gallery = Gallery(name=clean_name(name), slug=slug, pack=settings.DEFAULT_PACK)
    assign(gallery, fields, GALLERY_FIELDS)
    if slug:
        validate_and_save(gallery)
    else:
        _save_with_free_slug(gallery)
    if actor.user is not None:
        Membership.objects.create(user=actor.user, gallery=gallery, role=Role.OWNER)
    audit.record(actor=actor, action="gallery.created", gallery=gallery, target=gallery)
    return gallery


def _save_with_free_slug(gallery: Gallery) -> None:
    """Saves with the first slug for the name that nobody has, nor takes at the same moment."""
    taken = Conflict(_("No slug for this name is free. Give one of your own."))
    for slug in slugs_for(gallery.name):
        if Gallery.objects.filter(slug=slug).exists():
            continue
        gallery.slug = slug
        try:
            return validate_and_save(gallery)
        except Conflict as error:
            taken = error
    raise taken


@audited
def update_gallery(*, actor: Actor, gallery: Gallery, **fields: object) -> Gallery:
    """Changes settings of a gallery. fields: of GALLERY_FIELDS."""
    return _change_gallery(actor, gallery, fields)[0]


@audited
def change_settings(*, actor: Actor, gallery: Gallery, **fields: object) -> AuditEvent | None:
    """The same; returns the event with which it can be undone, None if nothing was changed."""
    return _change_gallery(actor, gallery, fields)[1]


def _change_gallery(actor: Actor, gallery: Gallery, fields: Mapping[str, object]) -> tuple[Gallery, AuditEvent | None]:
    actor.require_role(gallery, Role.OWNER)
    gallery = Gallery.objects.select_for_update().get(pk=gallery.pk)
    if changes := assign(gallery, fields, GALLERY_FIELDS):
        if gallery.threshold_source == ThresholdSource.CALIBRATED and not changes.keys().isdisjoint(THRESHOLD_FIELDS):
            raise InvalidInput(
                _(
                    "Calibrate the gallery to get a calibrated threshold. To set one by hand, choose “manual” as its source."
                )
            )
        validate_and_save(gallery)
        event = audit.record(actor=actor, action="gallery.changed", gallery=gallery, target=gallery, details=changes)
        return gallery, event
    return gallery, None


@audited
def calibrate_gallery(*, actor: Actor, gallery: Gallery, pack: str, distance: float, details: dict) -> Gallery:
    """Applies a threshold that was calibrated on the gallery's own faces under `pack`. details: how, for the audit.

    Raises Conflict (pack_changed) if the gallery has another pack by now: distances of two packs are not comparable.
    """
    actor.require_role(gallery, Role.OWNER)
    gallery = Gallery.objects.select_for_update().get(pk=gallery.pk)
    if gallery.pack != pack:
        message = _(
            "This threshold was measured under the pack %(pack)s, but the gallery now has %(now)s. Measure again."
        )
        raise Conflict(message % {"pack": pack, "now": gallery.pack}, code="pack_changed")
    fields = {"threshold_source": ThresholdSource.CALIBRATED, "threshold_distance": distance}
    changes = assign(gallery, fields, GALLERY_FIELDS)
    validate_and_save(gallery)
    details = {**changes, **details, "pack": pack, "distance": distance}
    audit.record(actor=actor, action="gallery.calibrated", gallery=gallery, target=gallery, details=details)
    return gallery


@audited
def create_identity(*, actor: Actor, gallery: Gallery, name: str, **fields: object) -> Identity:
    """Adds a person to a gallery. fields: of IDENTITY_FIELDS."""
    actor.require_role(gallery, Role.CURATOR)
    return _add(actor, _new_identity(gallery, name, fields))


def check_new_identity(*, gallery: Gallery, name: str, **fields: object) -> None:
    """Raises what `create_identity` would raise for a curator."""
    try:
        _new_identity(gallery, name, fields).full_clean()
    except ValidationError as error:
        raise _refusal(error) from error


def _new_identity(gallery: Gallery, name: str, fields: Mapping[str, object]) -> Identity:
    identity = Identity(gallery=gallery, name=clean_name(name))
    assign(identity, fields, IDENTITY_FIELDS)
    return identity


def _add(actor: Actor, identity: Identity) -> Identity:
    validate_and_save(identity)
    audit.record(actor=actor, action="identity.created", gallery=identity.gallery, target=identity)
    return identity


@audited
def update_identity(*, actor: Actor, identity: Identity, seen: datetime | None = None, **fields: object) -> Identity:
    """Changes a person's data. fields: of IDENTITY_FIELDS.

    seen: the `updated_at` of the row as the caller saw it. Raises Conflict (edited_meanwhile) if it has changed since.
    """
    actor.require_role(identity.gallery, Role.CURATOR)
    identity = lock_identity(identity.pk)
    _require_unchanged(identity, seen)
    if changes := assign(identity, fields, IDENTITY_FIELDS):
        validate_and_save(identity)
        audit.record(actor=actor, action="identity.changed", gallery=identity.gallery, target=identity, details=changes)
    return identity


def _require_unchanged(identity: Identity, seen: datetime | None) -> None:
    if seen is not None and seen != identity.updated_at:
        message = _(
            "Somebody else has changed %(name)s in the meantime. Look at the person again, then make your change."
        )
        raise Conflict(message % {"name": identity.name}, code="edited_meanwhile")


@audited
def delete_identity(*, actor: Actor, identity: Identity, seen: datetime | None = None) -> AuditEvent:
    """Deletes a person with all samples: removed from every list and search at once, and for good by the purge.

    seen: as in `update_identity`.
    """
    actor.require_role(identity.gallery, Role.CURATOR)
    identity = lock_identity(identity.pk)
    _require_unchanged(identity, seen)
    details = {"samples": identity.samples.count()}
    identity.deleted_at = timezone.now()
    identity.save(update_fields=["deleted_at", "updated_at"])
    return audit.record(
        actor=actor, action="identity.deleted", gallery=identity.gallery, target=identity, details=details
    )


@audited
def add_sample(
    *, actor: Actor, identity: Identity, face: EnrolledFace, pack: str, rejected: bool = False
) -> FaceSample:
    """Enrols a face, or with `rejected` records that it is not this person.

    If the person has been merged into another since, the other one gets the sample. Raises Conflict: duplicate_photo if
    the person already has a sample of this photo, consent_missing as `require_consent` does.
    """
    actor.require_role(identity.gallery, Role.CURATOR)
    hold_pack(identity.gallery_id)
    identity = lock_identity(identity.pk)
    if not rejected:
        require_consent(identity)
    values = {name: getattr(face, name) for name in SAMPLE_FIELDS}
    sample = FaceSample(
        gallery_id=identity.gallery_id, identity=identity, created_by=actor.user, rejected=rejected, **values
    )
    try:
        with transaction.atomic():
            sample.save(force_insert=True)
    except IntegrityError as error:
        if "sample_photo_once" not in str(error):
            raise
        message = _("This photo is already enrolled for %(name)s. There is nothing to do.")
        raise Conflict(message % {"name": identity.name}, code="duplicate_photo") from error
    FaceCrop.objects.create(
        sample=sample,
        jpeg=face.crop_jpeg,
        width=face.crop_width,
        height=face.crop_height,
        landmarks=face.crop_landmarks,
    )
    FaceEmbedding.objects.create(
        gallery_id=identity.gallery_id, pack=pack, sample=sample, vector=face.embedding.tolist()
    )
    details = {"identity": str(identity.pk), "photo": face.photo_name}
    action = "sample.rejected" if rejected else "sample.created"
    audit.record(actor=actor, action=action, gallery=identity.gallery, target=sample, details=details)
    return sample


def require_consent(identity: Identity) -> None:
    """Raises Conflict (consent_missing) if the gallery requires consent and the person's is missing or no longer valid."""
    if identity.gallery.requires_consent and not identity.has_valid_consent:
        message = _("This gallery requires consent, and %(name)s has given none that is valid. Record it first.")
        raise Conflict(message % {"name": identity.name}, code="consent_missing")


SAMPLE_FIELDS = (
    "photo_name",
    "photo_sha256",
    "photo_width",
    "photo_height",
    "box",
    "detection_score",
    "quality_score",
    "quality",
)


@audited
def delete_sample(*, actor: Actor, sample: FaceSample) -> AuditEvent:
    """Takes an enrolled face out of use. The purge deletes its crop and vectors."""
    gallery = sample.identity.gallery
    actor.require_role(gallery, Role.CURATOR)
    sample = lock_sample(sample.pk)
    details = {"identity": str(sample.identity_id), "photo": sample.photo_name}
    sample.deleted_at = timezone.now()
    sample.save(update_fields=["deleted_at"])
    return audit.record(actor=actor, action="sample.deleted", gallery=gallery, target=sample, details=details)


def lock_identity(pk: UUID) -> Identity:
    """The person as it is now, locked; or the one it was merged into. Raises Conflict (deleted_meanwhile)."""
    rows = Identity.with_deleted.select_for_update(of=("self",), no_key=True).select_related("gallery")
    identity = rows.filter(pk=pk).first()
    while identity is not None and identity.merged_into_id:
        identity = rows.filter(pk=identity.merged_into_id).first()
    if identity is None or identity.deleted_at:
        raise Conflict(_("This person has been deleted in the meantime. Undo that first."), code="deleted_meanwhile")
    return identity


def lock_sample(pk: UUID) -> FaceSample:
    """The sample as it is now, locked. Raises Conflict (deleted_meanwhile)."""
    rows = FaceSample.objects.select_for_update(of=("self",)).select_related("identity__gallery")
    sample = rows.filter(pk=pk).first()
    if sample is None:
        raise Conflict(_("This sample has been deleted in the meantime. Undo that first."), code="deleted_meanwhile")
    return sample


@audited
def person_with_key(*, actor: Actor, gallery: Gallery, external_id: str, **fields: Any) -> Identity:
    """The person with this external id, or the one they were merged into; made if there is none. fields: as in `create_identity`.

    Whoever asks for the same key at the same time waits until this transaction ends, so that both get one person.
    """
    actor.require_role(gallery, Role.CURATOR)
    _one_at_a_time(f"person {gallery.pk} {external_id}")
    found = people_with_keys(gallery, [external_id]).get(external_id)
    return found or create_identity(actor=actor, gallery=gallery, external_id=external_id, **fields)


@audited
def person_with_id(*, actor: Actor, gallery: Gallery, pk: UUID, name: str, **fields: Any) -> Identity:
    """The person with the id `pk`, or the one they were merged into; made if there is none. fields: as in `create_identity`.

    Whoever asks for the same id at the same time waits, as in `person_with_key`. Raises Conflict (deleted_meanwhile).
    """
    actor.require_role(gallery, Role.CURATOR)
    _one_at_a_time(f"person {pk}")
    made = Identity.with_deleted.select_related("gallery", "merged_into").filter(gallery=gallery, pk=pk).first()
    if made is None:
        identity = _new_identity(gallery, name, fields)
        identity.pk = pk
        return _add(actor, identity)
    if made.current is None:
        raise Conflict(_("%(name)s was deleted in the meantime.") % {"name": made.name}, code="deleted_meanwhile")
    return made.current


def _one_at_a_time(what: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])


def people_with_keys(gallery: Gallery, keys: Iterable[str]) -> dict[str, Identity]:
    """External id → the person who has it, or to whom it led before a merge."""
    rows = Identity.with_deleted.select_related("merged_into").filter(gallery=gallery, external_id__in=keys)
    found: dict[str, Identity] = {}
    for row in rows.order_by(F("deleted_at").desc(nulls_first=True)):
        if current := row.current:
            current.gallery = gallery  # saves a query for each
            found.setdefault(row.external_id, current)
    return found


def note_recognized(*, identity_ids: Iterable[UUID], at: datetime) -> None:
    """Records when people were last recognised. Locks rows in the order of their keys, so that two workers cannot deadlock."""
    if ids := list(identity_ids):
        with planned_cursor() as cursor:
            cursor.execute(NOTE_RECOGNIZED, {"ids": ids, "at": at})


NOTE_RECOGNIZED = """
UPDATE gallery_identity identity SET last_recognized_at = %(at)s
FROM (SELECT id FROM gallery_identity WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE) locked
WHERE identity.id = locked.id
"""


def assign(row: Model, fields: Mapping[str, object], allowed: tuple[str, ...]) -> dict:
    """Sets `fields` on `row`; returns {name: [old, new]} of those that changed."""
    if unknown := set(fields) - set(allowed):
        raise InvalidInput(f"Unknown fields: {', '.join(sorted(unknown))}.")
    changes = {}
    for name, given in fields.items():
        field = row._meta.get_field(name)
        value = field.to_python(given) if isinstance(field, NameField) else given
        if getattr(row, name) != value:
            if name == "metadata":
                require_bounded(value)
            changes[name] = [as_json(getattr(row, name)), as_json(value)]
            setattr(row, name, value)
    return changes


def as_json(value: object) -> object:
    """A field's value as the audit has it."""
    return value.isoformat() if isinstance(value, date | time) else value


def validate_and_save(row: Model) -> None:
    """Validates and saves. Raises Conflict if a unique value is taken, InvalidInput for any other broken rule."""
    try:
        row.full_clean()
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            row.full_clean()  # a unique value was taken after the first check; this names it
            raise
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> DomainError:
    taken = any(e.code in ("unique", "unique_together") for es in error.error_dict.values() for e in es)
    return (Conflict if taken else InvalidInput)("; ".join(_error_messages(error)))


def _error_messages(error: ValidationError) -> list[str]:
    return [
        message if field == "__all__" else f"{field}: {message}"
        for field, messages in error.message_dict.items()
        for message in messages
    ]
