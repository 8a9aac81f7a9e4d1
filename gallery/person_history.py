"""What was done with a person: events of the audit, in words."""

from typing import Any

from django.db.models import CharField, Q
from django.db.models.functions import Cast
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent
from accounts.querysets import AuditEventQuerySet
from gallery.models import Consent, FaceSample, Identity, history_of


def events_of(person: Identity, rows: AuditEventQuerySet) -> Any:
    """Those of `rows` that are on the person or one of their faces, or that changed either of them, as an act on many people;
    and what undid those."""
    samples = FaceSample.with_deleted.filter(identity=person).order_by()
    of_person = history_of(Identity).objects.filter(pgh_obj_id=person.pk)
    of_samples = history_of(FaceSample).objects.filter(
        Q(identity_id=person.pk) | Q(pgh_obj_id__in=samples.values("pk"))
    )
    changes = {
        key
        for history in (of_person, of_samples)
        for key in history.order_by().values_list("pgh_context_id", flat=True).distinct()
        if key
    }
    keys = samples.annotate(text=Cast("pk", CharField())).values_list("text", flat=True)
    found = Q(object_id__in=[str(person.pk), *keys]) | Q(change_id__in=changes)
    events = AuditEvent.objects.filter(found, gallery_id=person.gallery_id).order_by()
    undone = events.annotate(text=Cast("pk", CharField())).values("text")
    return rows.filter(found | Q(object_type="auditevent", object_id__in=undone), gallery_id=person.gallery_id)


WORDS = {
    "identity.created": _("Added the person"),
    "identity.changed": _("Changed"),
    "identity.deleted": _("Deleted the person"),
    "identity.merged": _("Merged another entry into this one"),
    "identity.split": _("Split off faces"),
    "identity.exported": _("Downloaded everything stored about the person"),
    "people.changed": _("Changed many people at once"),
    "people.arrived": _("Moved here from another gallery"),
    "people.deleted": _("Deleted many people at once"),
    "people.moved": _("Moved to another gallery"),
    "sample.created": _("Enrolled a face"),
    "sample.deleted": _("Deleted a face"),
    "sample.moved": _("Moved a face"),
    "sample.rejected": _("Marked a face as not this person"),
    "samples.deleted": _("Deleted faces"),
    "samples.moved": _("Moved faces"),
    "samples.rejected": _("Marked faces as not this person"),
    "sighting.confirmed": _("Confirmed a sighting"),
    "sighting.corrected": _("Corrected a sighting"),
    "unknown.named": _("Named an unknown person"),
    "change.undone": _("Undid"),
}
LABELS = {
    "from": _("From"),
    "to": _("To"),
    "new": _("New person"),
    "merged": _("Merged"),
    "photo": _("Photo"),
    "photos": _("Photos"),
    "samples": _("Faces"),
    "people": _("People"),
}
FIELDS = {
    "name": _("Name"),
    "external_id": _("External id"),
    "department": _("Department"),
    "position": _("Position"),
    "active": _("Active"),
    "hidden": _("Hidden"),
    "consent": _("Consent"),
    "consent_by": _("Consent by"),
    "consent_at": _("Consent at"),
    "consent_until": _("Consent until"),
    "consent_note": _("Consent note"),
    "metadata": _("Metadata"),
}


def in_words(event: AuditEvent) -> dict[str, Any]:
    """{event, title, lines: [(what, text)]} of an event."""
    details = event.details
    if event.action == "change.undone":
        undone = str(WORDS.get(details.get("undone", ""), details.get("undone", _("a change"))))
        title = gettext("Undid: %(what)s") % {"what": f"{undone[0].lower()}{undone[1:]}"}
        return {"event": event, "title": title, "lines": []}
    if event.action == "identity.changed":
        lines = [(_label(name), f"{_value(old, name)} → {_value(new, name)}") for name, (old, new) in details.items()]
    else:
        lines = [(_label(name), f"→ {_value(value, name)}") for name, value in details.get("set", {}).items()]
        lines += [(str(LABELS[name]), _value(details[name])) for name in LABELS if details.get(name) not in (None, "")]
    return {"event": event, "title": WORDS.get(event.action, event.action), "lines": lines}


def _label(name: str) -> str:
    return str(FIELDS.get(name) or name.replace("_", " ").capitalize())


def _value(value: Any, field: str = "") -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if field == "consent" and value in Consent.values and value:
        return str(Consent(value).label).lower()
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value) if value not in (None, "", {}) else "–"
