"""What was done with a person: events of the audit, in words."""

from typing import Any

from django.db.models import CharField, Q
from django.db.models.functions import Cast

from accounts.models import AuditEvent
from accounts.querysets import AuditEventQuerySet
from gallery.models import FaceSample, Identity, history_of


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
    "identity.created": "Added the person",
    "identity.changed": "Changed",
    "identity.deleted": "Deleted the person",
    "identity.merged": "Merged another entry into this one",
    "identity.split": "Split off faces",
    "identity.exported": "Downloaded everything stored about the person",
    "people.changed": "Changed many people at once",
    "people.arrived": "Moved here from another gallery",
    "people.deleted": "Deleted many people at once",
    "people.moved": "Moved to another gallery",
    "sample.created": "Enrolled a face",
    "sample.deleted": "Deleted a face",
    "sample.moved": "Moved a face",
    "sample.rejected": "Marked a face as not this person",
    "samples.deleted": "Deleted faces",
    "samples.moved": "Moved faces",
    "samples.rejected": "Marked faces as not this person",
    "sighting.confirmed": "Confirmed a sighting",
    "sighting.corrected": "Corrected a sighting",
    "unknown.named": "Named an unknown person",
    "change.undone": "Undid",
}
LABELS = {
    "from": "From",
    "to": "To",
    "new": "New person",
    "merged": "Merged",
    "photo": "Photo",
    "photos": "Photos",
    "samples": "Faces",
    "people": "People",
}


def in_words(event: AuditEvent) -> dict[str, Any]:
    """{event, title, lines: [(what, text)]} of an event."""
    details = event.details
    if event.action == "change.undone":
        undone = WORDS.get(details.get("undone", ""), details.get("undone", "a change"))
        return {"event": event, "title": f"Undid: {undone[0].lower()}{undone[1:]}", "lines": []}
    if event.action == "identity.changed":
        lines = [(_label(name), f"{_value(old)} → {_value(new)}") for name, (old, new) in details.items()]
    else:
        lines = [(_label(name), f"→ {_value(value)}") for name, value in details.get("set", {}).items()]
        lines += [(LABELS[name], _value(details[name])) for name in LABELS if details.get(name) not in (None, "")]
    return {"event": event, "title": WORDS.get(event.action, event.action), "lines": lines}


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value) if value not in (None, "", {}) else "–"
