"""Moves people to another gallery: they are entered there with all their faces and vectors, and deleted here.

What was seen of them stays here, under an entry that is deleted, as after a deletion: what one gallery has seen is not told to
the members of another. The old entry knows where the person went (`moved_to`), so that an erasure finds both.
"""

from collections.abc import Sequence
from uuid import UUID

import uuid6
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.actor import Actor
from accounts.audit import audited, record
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.bulk.services import MOST_NAMED, Done, lock_chosen
from gallery.models import FaceCrop, FaceEmbedding, FaceSample, Gallery, Identity
from gallery.pack_in_force import hold_pack

MOST_TOLD = 5  # external ids that a refusal lists


@audited
def move_people(*, actor: Actor, gallery: Gallery, people: Sequence[UUID], to: Gallery) -> Done:
    """Moves people with all their faces into `to`, in one statement for each table.

    Raises NotAllowed below curators of both galleries, InvalidInput if it is the same gallery, if it works with a pack in which
    one of their faces has no vector, or asks for a consent that one of them has not given, and Conflict if an external id is
    taken there. Nobody is moved then.
    """
    actor.require_role(gallery, Role.CURATOR)
    actor.require_role(to, Role.CURATOR)
    if to.pk == gallery.pk:
        raise InvalidInput(_("They are in this gallery already. Choose another one."))
    found = lock_chosen(gallery, people)
    gone = len(set(people)) - len(found)
    if not found:
        return Done(0, 0, gone, None)
    new: dict[UUID, UUID] = {row.pk: uuid6.uuid7() for row in found}
    to.pack = hold_pack(to.pk)
    _check(found, to)
    _leave(new)
    try:
        with transaction.atomic():
            _enter(new, to)
    except IntegrityError as error:
        text = _("Somebody in “%(gallery)s” has one of their external ids. Change it first.")
        raise Conflict(text % {"gallery": to}) from error
    details = {"people": len(found), "to": to.name}
    if len(found) <= MOST_NAMED:
        details["ids"] = [str(key) for key in [*new, *new.values()]]
    event = record(actor=actor, action="people.moved", gallery=gallery, target=found[0], details=details)
    arrived = Identity(pk=new[found[0].pk], name=found[0].name)
    record(actor=actor, action="people.arrived", gallery=to, target=arrived, details={"people": len(found)})
    return Done(len(found), 0, gone, event)


def _check(people: list[Identity], to: Gallery) -> None:
    if to.requires_consent and (silent := sum(not person.has_valid_consent for person in people)):
        text = ngettext(
            "“%(gallery)s” requires consent, and %(count)s of them has not given it. Note their consent first.",
            "“%(gallery)s” requires consent, and %(count)s of them have not given it. Note their consent first.",
            silent,
        )
        raise InvalidInput(text % {"gallery": to, "count": silent})
    vectors = FaceEmbedding.objects.filter(sample=OuterRef("pk"), pack=to.pack)
    if count := FaceSample.objects.filter(~Exists(vectors), identity__in=people).count():
        text = ngettext(
            "“%(gallery)s” works with the model pack %(pack)s, and %(count)s of their faces has no vector of it. "
            "Give both galleries the same pack first, on the page Model.",
            "“%(gallery)s” works with the model pack %(pack)s, and %(count)s of their faces have no vector of it. "
            "Give both galleries the same pack first, on the page Model.",
            count,
        )
        raise InvalidInput(text % {"gallery": to, "pack": to.pack, "count": count})
    numbers = [person.external_id for person in people if person.external_id]
    taken = Identity.objects.filter(gallery=to, external_id__in=numbers).order_by("external_id")
    if found := list(taken.values_list("external_id", flat=True)[:MOST_TOLD]):
        text = _("In “%(gallery)s”, somebody has the external id %(ids)s. Change or remove it first.")
        raise Conflict(text % {"gallery": to, "ids": ", ".join(found)})


def _leave(new: dict[UUID, UUID]) -> None:
    """Deletes the entries here. new: the id here → the id there."""
    _execute(
        "UPDATE gallery_identity SET deleted_at = now(), updated_at = now(), moved_to_id = pairs.new FROM {pairs} "
        "WHERE gallery_identity.id = pairs.old",
        new,
    )


def _enter(new: dict[UUID, UUID], to: Gallery) -> None:
    """Copies the entries with their faces, pictures and vectors into the gallery."""
    people = {"id": "pairs.new", "gallery_id": "%(to)s", "deleted_at": "NULL", "updated_at": "now()"}
    people |= {"moved_to_id": "NULL", "merged_into_id": "NULL", "last_recognized_at": "NULL"}
    _copy(Identity, new, "id", to, people)
    keys = _pairs_of(FaceSample.with_deleted.filter(identity__in=new, deleted_at=None))
    owner = "(SELECT there.moved_to_id FROM gallery_identity there WHERE there.id = old.identity_id)"
    _copy(FaceSample, keys, "id", to, {"id": "pairs.new", "gallery_id": "%(to)s", "identity_id": owner})
    _copy(FaceCrop, keys, "sample_id", to, {"sample_id": "pairs.new"})
    _copy(FaceEmbedding, keys, "sample_id", to, {"sample_id": "pairs.new", "gallery_id": "%(to)s"})


def _pairs_of(rows: QuerySet) -> dict[UUID, UUID]:
    return {key: uuid6.uuid7() for key in rows.order_by("pk").values_list("pk", flat=True)}


def _copy(model: type[Model], new: dict[UUID, UUID], key: str, to: Gallery, values: dict[str, str]) -> None:
    """Copies rows; values: SQL for what differs in the copy, by column."""
    table = model._meta.db_table
    columns = [field.column for field in model._meta.concrete_fields if field.column]
    selected = [values.get(column, f"old.{column}") for column in columns]
    _execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(selected)} "
        f"FROM {table} old JOIN {{pairs}} ON old.{key} = pairs.old",
        new,
        to=to.pk,
    )


def _execute(sql: str, new: dict[UUID, UUID], **parameters: UUID) -> None:
    with connection.cursor() as cursor:
        pairs = "unnest(%(old)s::uuid[], %(new)s::uuid[]) AS pairs(old, new)"
        cursor.execute(sql.format(pairs=pairs), {"old": list(new), "new": list(new.values()), **parameters})
