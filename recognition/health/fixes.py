"""The fixes a curator can apply to a finding. Each calls a service of gallery curation, which can be undone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.actor import Actor
from accounts.models import AuditEvent
from faceplatform.errors import Conflict, InvalidInput
from gallery import services
from gallery.curation.services import merge_identities, move_sample, reject_sample, split_identity
from gallery.models import Identity
from recognition.health.models import HealthFinding
from recognition.health.services import dismiss_finding, restore_finding

Kind, Reason = HealthFinding.Kind, HealthFinding.Reason
MOVE, REJECT, SPLIT, DELETE, MERGE, MERGE_BACK = "move", "reject", "split", "delete", "merge", "merge-back"
DISMISS, RESTORE = "dismiss", "restore"
FIXES: dict[tuple[str, str], tuple[str, ...]] = {
    (Kind.OUTLIER, Reason.LOOKS_LIKE_OTHER): (MOVE, REJECT, SPLIT, DELETE),
    (Kind.OUTLIER, Reason.DENIED): (REJECT, SPLIT, DELETE),
    (Kind.OUTLIER, Reason.FAR): (DELETE, REJECT, SPLIT),
    (Kind.OUTLIER, Reason.POOR): (DELETE,),
    (Kind.DUPLICATE, Reason.SAME_PERSON): (MERGE, MERGE_BACK),
    (Kind.WEAK, Reason.TWO_PEOPLE): (SPLIT,),
}
OUTDATED = gettext_noop("This finding no longer applies: somebody has settled it in the meantime.")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AppliedFix:
    """text: what was done, as a sentence for the curator. event: its audit event."""

    text: str
    event: AuditEvent


def fixes_of(finding: HealthFinding) -> tuple[str, ...]:
    """The fixes that apply to the finding. One that is marked as fine can only be restored."""
    if finding.dismissed_at:
        return (RESTORE,)
    return (*FIXES.get((finding.kind, finding.reason), ()), DISMISS)


def fix(*, actor: Actor, finding: HealthFinding, action: str, name: str = "") -> AppliedFix:
    """Applies one of `fixes_of`. name: of the new person, for a split.

    Raises InvalidInput for another action or a missing name, Conflict if the finding no longer applies.
    """
    if action not in fixes_of(finding):
        raise InvalidInput(_("Choose one of: %(choices)s.") % {"choices": ", ".join(fixes_of(finding))})
    if not HealthFinding.objects.current().filter(pk=finding.pk).exists():
        raise Conflict(_(OUTDATED), code="edited_meanwhile")
    return _ACTIONS[action](actor, finding, name.strip())


def _move(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    other = _required(finding.other)
    moved = move_sample(actor=actor, sample=_required(finding.sample), to=other)
    return AppliedFix(
        _("%(face)s now belongs to %(name)s.") % {"face": _face(finding), "name": other.name}, moved.event
    )


def _reject(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    rejected = reject_sample(actor=actor, sample=_required(finding.sample))
    text = _("%(face)s is marked as “not %(name)s”.") % {"face": _face(finding), "name": finding.identity.name}
    return AppliedFix(text, rejected.event)


def _split(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    if not name:
        raise InvalidInput(_("Enter the new person's name first."))
    samples = finding.samples or [_required(finding.sample_id)]
    split = split_identity(actor=actor, identity=finding.identity, samples=samples, name=name)
    text = _("%(name)s was created from %(count)s of %(other)s's samples.") % {
        "name": name,
        "count": len(samples),
        "other": finding.identity.name,
    }
    return AppliedFix(text, split.event)


def _delete(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    event = services.delete_sample(actor=actor, sample=_required(finding.sample))
    text = _("%(face)s of %(name)s was deleted.") % {"face": _face(finding), "name": finding.identity.name}
    return AppliedFix(text, event)


def _merge(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    return _merge_into(actor, finding.identity, _required(finding.other))


def _merge_back(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    return _merge_into(actor, _required(finding.other), finding.identity)


def _merge_into(actor: Actor, into: Identity, other: Identity) -> AppliedFix:
    merged = merge_identities(actor=actor, into=into, others=[other])
    return AppliedFix(_("%(name)s was merged into %(into)s.") % {"name": other.name, "into": into.name}, merged.event)


def _dismiss(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    event = dismiss_finding(actor=actor, finding=finding)
    return AppliedFix(_("The finding about %(name)s is marked as fine.") % {"name": finding.identity.name}, event)


def _restore(actor: Actor, finding: HealthFinding, name: str) -> AppliedFix:
    return AppliedFix(_("The finding is shown again."), restore_finding(actor=actor, finding=finding))


def _required(value: T | None) -> T:
    """The face or person that a fix needs. Raises Conflict where the finding has none."""
    if value is None:
        raise Conflict(_(OUTDATED), code="edited_meanwhile")
    return value


def _face(finding: HealthFinding) -> str:
    return finding.sample.photo_name if finding.sample and finding.sample.photo_name else _("A face")


_ACTIONS: dict[str, Callable[[Actor, HealthFinding, str], AppliedFix]] = {
    MOVE: _move,
    REJECT: _reject,
    SPLIT: _split,
    DELETE: _delete,
    MERGE: _merge,
    MERGE_BACK: _merge_back,
    DISMISS: _dismiss,
    RESTORE: _restore,
}
