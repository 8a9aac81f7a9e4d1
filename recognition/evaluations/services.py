"""Records the results of evaluations."""

from accounts import audit
from accounts.actor import Actor
from faceplatform.errors import NotAllowed
from faceplatform.text import storable
from recognition.engine.manifest import Manifest
from recognition.evaluations.models import Evaluation
from recognition.lab.evaluation.open_set import OpenSetResult
from recognition.lab.evaluation.protocol import VerificationResult

CURVES = ("roc", "histogram", "det")
MOST_FAILURES = 1000  # kept here; the command's report lists all


@audit.audited
def record_evaluation(*, actor: Actor, manifest: Manifest, result: VerificationResult | OpenSetResult) -> Evaluation:
    """Stores a pack's figures on a set, of pairs or of people. Raises NotAllowed for anybody but an operator."""
    if not actor.sees_everything:
        raise NotAllowed("Only an operator can record evaluations.")
    values = result.as_dict() | {"set_name": storable(result.set_name, 255)}
    failures = values.pop("failures")
    curves = {name: values.pop(name) for name in CURVES if name in values}
    evaluation = Evaluation.objects.create(
        pack=manifest.name,
        pack_sha256=manifest.fingerprint,
        set_name=values["set_name"],
        set_sha256=result.set_sha256,
        numbers=values,
        curves=curves,
        failures=[failure | {"image": storable(failure["image"], 1000)} for failure in failures[:MOST_FAILURES]],
        created_by=actor.user,
        created_as=actor.name,
    )
    audit.record(
        actor=actor, action="evaluation.recorded", target=evaluation, details={"set_sha256": result.set_sha256}
    )
    return evaluation
