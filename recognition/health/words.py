"""The texts of findings and of their buttons."""

from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from recognition.health import fixes
from recognition.health.models import HealthFinding

Reason = HealthFinding.Reason


@dataclass(frozen=True, slots=True)
class Button:
    """action: one of fixes.py. asks_name: the form asks for the name of a new person."""

    action: str
    text: str
    danger: bool = False
    asks_name: bool = False


def explain(finding: HealthFinding, threshold: float | None) -> str:
    """Why the finding was reported, with its figures. threshold: the report's."""
    values = {
        "name": finding.identity.name,
        "other": finding.other.name if finding.other else "",
        "distance": _distance(finding.distance),
        "own": _distance(finding.own_distance),
        "found": finding.found,
        "total": finding.total,
        "alike": len(finding.samples),
        "threshold": _distance(threshold),
    }
    return " ".join(str(text % values) for text in _texts_of(finding))


def _texts_of(finding: HealthFinding) -> list[Any]:
    if finding.kind != HealthFinding.Kind.WEAK:
        return [TEXTS[finding.reason]]
    if finding.reason == Reason.NO_FACE:
        return [NOT_EMBEDDED if finding.total else NOT_ENROLLED]
    alike = finding.reason == Reason.TWO_PEOPLE and finding.other
    return [WEAK_TEXTS[finding.reason], *([LOOKALIKE] if alike else [])]


def _distance(value: float | None) -> str:
    return number_format(f"{value or 0.0:.2f}")


TEXTS: dict[str, Any] = {
    Reason.LOOKS_LIKE_OTHER: gettext_lazy(
        "Nearer to %(other)s (%(distance)s) than to the other faces of %(name)s (%(own)s): "
        "it would be recognised as %(other)s."
    ),
    Reason.DENIED: gettext_lazy(
        "Nearer to a face that is marked as “not %(name)s” than to the other faces of %(name)s (%(own)s): "
        "it would not be recognised."
    ),
    Reason.FAR: gettext_lazy(
        "Further from the other faces of %(name)s (%(own)s) than is usual in this gallery, or than the threshold "
        "(%(threshold)s) allows. It shows somebody else, or the photo makes recognition worse."
    ),
    Reason.POOR: gettext_lazy("The photo has less than half the quality of the other faces of %(name)s."),
    Reason.SAME_PERSON: gettext_lazy(
        "%(found)s of the %(total)s faces of %(name)s and %(other)s match the other's within the threshold; "
        "the nearest two are %(distance)s apart."
    ),
}
WEAK_TEXTS: dict[str, Any] = {
    Reason.TWO_PEOPLE: gettext_lazy("%(alike)s of the %(total)s faces are alike, but unlike the others."),
    Reason.NOT_FOUND: gettext_lazy(
        "Only %(found)s of the %(total)s faces would be recognised by means of the others. "
        "Add more and clearer photos, or remove a face of somebody else."
    ),
    Reason.POOR: gettext_lazy("All faces of %(name)s are of poor quality. Add better photos."),
    Reason.SINGLE: gettext_lazy("There is only one face, so %(name)s may not be recognised in poor light. Add photos."),
}
NOT_ENROLLED = gettext_lazy("%(name)s cannot be recognised: no face is enrolled.")
NOT_EMBEDDED = gettext_lazy("%(name)s cannot be recognised: none of the faces has been embedded by the gallery's pack.")
LOOKALIKE = gettext_lazy("They look like %(other)s.")


def buttons_of(finding: HealthFinding) -> list[Button]:
    """A button for each fix that applies to the finding."""
    name, other = finding.identity.name, finding.other.name if finding.other else ""
    texts = {
        fixes.MOVE: _("Move to %(name)s") % {"name": other},
        fixes.REJECT: _("Not %(name)s") % {"name": name},
        fixes.SPLIT: _("Split off"),
        fixes.DELETE: _("Delete this face"),
        fixes.MERGE: _("Merge into %(name)s") % {"name": name},
        fixes.MERGE_BACK: _("Merge into %(name)s") % {"name": other},
        fixes.DISMISS: _("They are two people") if finding.reason == Reason.SAME_PERSON else _("This is fine"),
        fixes.RESTORE: _("Show again"),
    }
    return [
        Button(action, texts[action], danger=action == fixes.DELETE, asks_name=action == fixes.SPLIT)
        for action in fixes.fixes_of(finding)
    ]
