"""What was found, in words, and what the buttons say."""

from dataclasses import dataclass

from recognition.health import fixes
from recognition.health.models import HealthFinding

Reason = HealthFinding.Reason


@dataclass(frozen=True, slots=True)
class Button:
    """action: of fixes.py. asks_name: it needs the name of a new person."""

    action: str
    text: str
    danger: bool = False
    asks_name: bool = False


def explain(finding: HealthFinding, threshold: float) -> str:
    """Why it was found, with its numbers. threshold: that of the report."""
    return TEXTS[finding.reason].format(
        name=finding.identity.name,
        other=finding.other.name if finding.other else "",
        distance=finding.distance or 0.0,
        own=finding.own_distance or 0.0,
        found=finding.found,
        total=finding.total,
        some=len(finding.samples),
        threshold=threshold or 0.0,
        maybe=f" They look like {finding.other.name}." if finding.other else "",
        none_of="It has no face" if not finding.total else "None of the faces was embedded by the pack in force",
    )


TEXTS = {
    Reason.LOOKS_LIKE_OTHER: "Nearer to {other} ({distance:.2f}) than to the other faces of {name} ({own:.2f}): "
    "it would be recognised as {other}.",
    Reason.DENIED: "Nearer to a face that is “not {name}” than to the other faces of {name} ({own:.2f}): "
    "it would not be recognised.",
    Reason.FAR: "Further from the other faces of {name} ({own:.2f}) than is usual in this gallery, or than the threshold "
    "({threshold:.2f}) allows. Somebody else, or a photo that harms.",
    Reason.POOR: "Of less than half the quality of the other faces of {name}.",
    Reason.SAME_PERSON: "{found} of the {total} faces of {name} and {other} match the other's within the threshold; "
    "the nearest two are {distance:.2f} apart.",
    Reason.TWO_PEOPLE: "{some} of the {total} faces are alike, and like none of the others.{maybe}",
    Reason.NOT_FOUND: "Only {found} of the {total} faces would be recognised by the others. "
    "More and clearer photos help, or one of them is somebody else.",
    Reason.SINGLE: "One face only: one bad light, and {name} is not recognised. Add photos.",
    Reason.NO_FACE: "{none_of}: {name} cannot be recognised.",
}


def buttons_of(finding: HealthFinding) -> list[Button]:
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
