"""Who a kept face is said to be, and whether it may become a sample of that person: for faces in photos and in sightings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.utils.translation import gettext as _

from accounts.actor import Actor
from faceplatform.errors import InvalidInput
from gallery.models import Gallery, Identity, QualityGate
from gallery.search.query import nearest_identities
from gallery.services import create_identity, lock_identity
from recognition.photos.thresholds import threshold_of

# A measure beyond its limit counts as 0.02 in the product whose cube root the score is; see engine/quality.py.
UNUSABLE_SCORE = 0.02 ** (1 / 3)


def person_for(actor: Actor, gallery: Gallery, identity: Identity | None, name: str, **fields: Any) -> Identity:
    """The chosen person, locked; or a new one called `name`. fields: further ones of a new person, as in `create_identity`.

    Raises InvalidInput, and Conflict (deleted_meanwhile).
    """
    if (identity is None) == (not name.strip()):
        raise InvalidInput(_("Choose a person, or give the name of a new one."))
    if identity is None:
        return create_identity(actor=actor, gallery=gallery, name=name, **fields)
    if identity.gallery_id != gallery.pk:
        raise InvalidInput(_("Choose a person of the same gallery."))
    return lock_identity(identity.pk)


def refused_by_gate(gate: str, quality_score: float, reasons: Sequence[str]) -> str | None:
    """The reason code for which the quality gate refuses a kept face; None if it does not."""
    if gate == QualityGate.OFF:
        return None
    if quality_score <= UNUSABLE_SCORE:
        return reasons[0] if reasons else "low_quality"
    return reasons[0] if gate == QualityGate.STRICT and reasons else None


def looks_like(vector: Sequence[float], identity: Identity, pack: str) -> Identity | None:
    """Somebody else whom the gallery would recognise in a face. vector: its embedding under `pack`, the one in force."""
    probes = np.array([vector], "float32")
    [matches] = nearest_identities(gallery_id=identity.gallery_id, pack=pack, probes=probes, top_k=1)
    if not matches or matches[0].identity_id == identity.pk:
        return None
    if matches[0].distance > threshold_of(identity.gallery).distance:
        return None
    return Identity.objects.get(pk=matches[0].identity_id)
