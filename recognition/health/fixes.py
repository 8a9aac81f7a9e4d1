"""What a curator may do about a finding: the services of gallery/curation/services.py, which can be undone."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.actor import Actor
from accounts.models import AuditEvent
from faceplatform.errors import Conflict, InvalidInput
from gallery import services
from gallery.curation.services import merge_identities, move_sample, reject_sample, split_identity
from recognition.health.models import HealthFinding
from recognition.health.services import dismiss_finding, restore_finding

Reason = HealthFinding.Reason
MOVE, REJECT, SPLIT, DELETE, MERGE, MERGE_BACK = "move", "reject", "split", "delete", "merge", "merge-back"
DISMISS, RESTORE = "dismiss", "restore"
FIXES = {
    Reason.LOOKS_LIKE_OTHER: (MOVE, REJECT, SPLIT, DELETE),
    Reason.DENIED: (REJECT, SPLIT, DELETE),
    Reason.FAR: (DELETE, REJECT, SPLIT),
    Reason.POOR: (DELETE,),
    Reason.SAME_PERSON: (MERGE, MERGE_BACK),
    Reason.TWO_PEOPLE: (SPLIT,),
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was done, in words, and its audit event."""

    text: str
    event: AuditEvent


def fixes_of(finding: HealthFinding) -> tuple[str, ...]:
    """The actions that fit; of something called fine, only taking that back."""
    return (RESTORE,) if finding.dismissed_at else (*FIXES.get(finding.reason, ()), DISMISS)


def fix(*, actor: Actor, finding: HealthFinding, action: str, name: str = "") -> Fixed:
    """Does one of `fixes_of`. name: of the new person, for a split. Raises Conflict where it does not hold any more."""
    if action not in fixes_of(finding):
        raise InvalidInput(f"Choose one of: {', '.join(fixes_of(finding))}.")
    if not HealthFinding.objects.standing().filter(pk=finding.pk).exists():
        raise Conflict("This does not hold any more: somebody has settled it meanwhile.", code="edited_meanwhile")
    return _ACTIONS[action](actor, finding, name.strip())


def _move(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    moved = move_sample(actor=actor, sample=finding.sample, to=finding.other)
    return Fixed(f"{_face(finding)} belongs to {finding.other.name} now.", moved.event)


def _reject(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    done = reject_sample(actor=actor, sample=finding.sample)
    return Fixed(f"{_face(finding)} is not {finding.identity.name}: remembered.", done.event)


def _split(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    if not name:
        raise InvalidInput("Type the new person's name first.")
    samples = finding.samples or [finding.sample_id]
    made = split_identity(actor=actor, identity=finding.identity, samples=samples, name=name)
    return Fixed(f"{len(samples)} of {finding.identity.name}'s samples are {name} now.", made.event)


def _delete(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    event = services.delete_sample(actor=actor, sample=finding.sample)
    return Fixed(f"{_face(finding)} of {finding.identity.name} was deleted.", event)


def _merge(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    return _merge_into(actor, finding.identity, finding.other)


def _merge_back(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    return _merge_into(actor, finding.other, finding.identity)


def _merge_into(actor: Actor, into, other) -> Fixed:
    done = merge_identities(actor=actor, into=into, others=[other])
    return Fixed(f"{other.name} was merged into {into.name}.", done.event)


def _dismiss(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    return Fixed(f"Remembered: {finding.identity.name} is fine in this.", dismiss_finding(actor=actor, finding=finding))


def _restore(actor: Actor, finding: HealthFinding, name: str) -> Fixed:
    return Fixed("It is shown again.", restore_finding(actor=actor, finding=finding))


def _face(finding: HealthFinding) -> str:
    return finding.sample.photo_name or "A face"


_ACTIONS: dict[str, Callable[[Actor, HealthFinding, str], Fixed]] = {
    MOVE: _move,
    REJECT: _reject,
    SPLIT: _split,
    DELETE: _delete,
    MERGE: _merge,
    MERGE_BACK: _merge_back,
    DISMISS: _dismiss,
    RESTORE: _restore,
}
