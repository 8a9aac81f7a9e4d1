"""The texts of findings and of their buttons."""

from dataclasses import dataclass

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
    texts = WEAK_TEXTS if finding.kind == HealthFinding.Kind.WEAK else TEXTS
    return texts[finding.reason].format(
        name=finding.identity.name,
        other=finding.other.name if finding.other else "",
        distance=finding.distance or 0.0,
        own=finding.own_distance or 0.0,
        found=finding.found,
        total=finding.total,
        alike=len(finding.samples),
        threshold=threshold or 0.0,
        lookalike=f" They look like {finding.other.name}." if finding.other else "",
        why="no face is enrolled" if not finding.total else "none of the faces has been embedded by the gallery's pack",
    )


TEXTS: dict[str, str] = {
    Reason.LOOKS_LIKE_OTHER: "Nearer to {other} ({distance:.2f}) than to the other faces of {name} ({own:.2f}): "
    "it would be recognised as {other}.",
    Reason.DENIED: "Nearer to a face that is marked as “not {name}” than to the other faces of {name} ({own:.2f}): "
    "it would not be recognised.",
    Reason.FAR: "Further from the other faces of {name} ({own:.2f}) than is usual in this gallery, or than the threshold "
    "({threshold:.2f}) allows. It shows somebody else, or the photo makes recognition worse.",
    Reason.POOR: "The photo has less than half the quality of the other faces of {name}.",
    Reason.SAME_PERSON: "{found} of the {total} faces of {name} and {other} match the other's within the threshold; "
    "the nearest two are {distance:.2f} apart.",
}
WEAK_TEXTS: dict[str, str] = {
    Reason.TWO_PEOPLE: "{alike} of the {total} faces are alike, but unlike the others.{lookalike}",
    Reason.NOT_FOUND: "Only {found} of the {total} faces would be recognised by means of the others. "
    "Add more and clearer photos, or remove a face of somebody else.",
    Reason.POOR: "All faces of {name} are of poor quality. Add better photos.",
    Reason.SINGLE: "There is only one face, so {name} may not be recognised in poor light. Add photos.",
    Reason.NO_FACE: "{name} cannot be recognised: {why}.",
}


def buttons_of(finding: HealthFinding) -> list[Button]:
    """A button for each fix that applies to the finding."""
    name, other = finding.identity.name, finding.other.name if finding.other else ""
    texts = {
        fixes.MOVE: f"Move to {other}",
        fixes.REJECT: f"Not {name}",
        fixes.SPLIT: "Split off",
        fixes.DELETE: "Delete this face",
        fixes.MERGE: f"Merge into {name}",
        fixes.MERGE_BACK: f"Merge into {other}",
        fixes.DISMISS: "They are two people" if finding.reason == Reason.SAME_PERSON else "This is fine",
        fixes.RESTORE: "Show again",
    }
    return [
        Button(action, texts[action], danger=action == fixes.DELETE, asks_name=action == fixes.SPLIT)
        for action in fixes.fixes_of(finding)
    ]
