"""Acts on many people at once: each is one statement, one audit event, and one undo for all.

A statement for 10,000 people takes about a second, so a request can wait for it: all of them are changed or none, and the
audit says so in the same transaction. People who have been deleted in the meantime are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from accounts.actor import Actor
from accounts.audit import audited
from accounts.models import AuditEvent
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.curation.services import merge_identities
from gallery.models import FaceSample, Gallery, Identity
from gallery.services import CONSENT_FIELDS, assign

FIELDS = ("department", "active", "hidden", *CONSENT_FIELDS)
MOST_NAMED = 200  # people whose ids the audit event lists; the history has those of every change
MOST_MERGED = 50


@dataclass(frozen=True, slots=True)
class Done:
    """changed: how many people the act changed. same: how many were so already. gone: how many had been deleted or merged."""

    changed: int
    same: int
    gone: int
    event: AuditEvent | None


@audited
def change_people(*, actor: Actor, gallery: Gallery, people: Sequence[UUID], **fields: Any) -> Done:
    """Gives many people the same values. fields: of FIELDS. Raises InvalidInput if a value breaks a rule."""
    actor.require_role(gallery, Role.CURATOR)
    values = _checked(gallery, fields)
    found = lock_chosen(gallery, people)
    changed = [row for row in found if any(getattr(row, name) != value for name, value in values.items())]
    event = None
    if changed:
        Identity.objects.filter(pk__in=[row.pk for row in changed]).update(**values, updated_at=timezone.now())
        event = _record(actor, "people.changed", changed, {"set": _as_json(values)})
    return Done(len(changed), len(found) - len(changed), len(set(people)) - len(found), event)


@audited
def delete_people(*, actor: Actor, gallery: Gallery, people: Sequence[UUID]) -> Done:
    """Deletes many people with all samples, as `delete_identity` does one."""
    actor.require_role(gallery, Role.CURATOR)
    found = lock_chosen(gallery, people)
    event = None
    if found:
        keys = [row.pk for row in found]
        samples = FaceSample.objects.filter(identity__in=keys).count()
        Identity.objects.filter(pk__in=keys).update(deleted_at=timezone.now(), updated_at=timezone.now())
        event = _record(actor, "people.deleted", found, {"samples": samples})
    return Done(len(found), 0, len(set(people)) - len(found), event)


@audited
def merge_people(*, actor: Actor, gallery: Gallery, people: Sequence[UUID]) -> Done:
    """Merges all into the first of `people` who is still there. Raises InvalidInput for fewer than two or over MOST_MERGED."""
    actor.require_role(gallery, Role.CURATOR)
    if len(set(people)) > MOST_MERGED:
        raise InvalidInput(_("At most %(most)s entries can be merged at once. Tick fewer.") % {"most": MOST_MERGED})
    found = {row.pk: row for row in lock_chosen(gallery, people)}
    ordered = [found[key] for key in dict.fromkeys(people) if key in found]
    if len(ordered) < 2:
        raise InvalidInput(_("Tick two or more entries of the same person to merge."))
    into, *others = ordered
    result = merge_identities(actor=actor, into=into, others=others)
    return Done(len(others), 0, len(set(people)) - len(found), result.event)


def lock_chosen(gallery: Gallery, people: Sequence[UUID]) -> list[Identity]:
    """Those who are still there, locked in the order of their keys, so that two acts wait for each other in no circle."""
    rows = Identity.objects.filter(gallery=gallery, pk__in=people).select_for_update(of=("self",), no_key=True)
    found = list(rows.defer("metadata", "searchable").order_by("pk"))
    for row in found:
        row.gallery = gallery  # saves a query for each
    return found


def _checked(gallery: Gallery, fields: dict[str, Any]) -> dict[str, Any]:
    """The values as they are kept. Raises InvalidInput if they break a rule that one person's would break, too."""
    example = Identity(gallery=gallery, name="Somebody")
    assign(example, fields, FIELDS)
    try:
        example.clean_fields(exclude=[field.name for field in Identity._meta.fields if field.name not in fields])
        example.validate_constraints(exclude=["external_id"])
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
    return {name: getattr(example, name) for name in fields}


def _record(actor: Actor, action: str, people: list[Identity], details: dict[str, Any]) -> AuditEvent:
    """The event is on the first of them; a name is in it so that an erasure finds it."""
    named = {"ids": [str(row.pk) for row in people]} if 1 < len(people) <= MOST_NAMED else {}
    details = {"people": len(people), **details, **named}
    return audit.record(actor=actor, action=action, gallery=people[0].gallery, target=people[0], details=details)


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}


def require_some(people: Sequence[UUID]) -> None:
    """Raises Conflict if nobody was ticked."""
    if not people:
        raise Conflict(_("Tick one or more people first."), code="nobody_ticked")
