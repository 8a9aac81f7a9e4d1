"""Photos that are in the gallery already: their own person's, or somebody else's."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext as _

from gallery.models import FaceSample, Gallery
from recognition.imports.models import ImportRow

# Of a photo that lies in another person's folder as well: the worker may find the face before we find the photo.
CONFLICT = "identity_similarity_conflict"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """For whom each photo is enrolled. owners: SHA-256 → person → name."""

    owners: dict[str, dict[UUID, str]]

    def outcome(self, digest: str, row: ImportRow) -> tuple[str, str, str] | None:
        """Status, code and reason of a photo of the row's person; None if nobody has it.

        Somebody of the same name counts as the same person: they may have been added without an external id.
        """
        if not (owners := self.owners.get(digest)):
            return None
        own = owners.get(row.identity_id) if row.identity_id else None
        if own or row.name in owners.values():
            reason = _("This photo is already enrolled for %(name)s.") % {"name": own or row.name}
            return ImportRow.Status.SKIPPED, "duplicate_photo", reason
        reason = _(
            "This photo is already enrolled as %(name)s, so it was not enrolled for %(whose)s. Check who it shows."
        ) % {"name": " and ".join(sorted(owners.values())), "whose": row.name}
        return ImportRow.Status.REFUSED, "enrolled_as_another", reason


def enrolled_in(gallery: Gallery, digests: Iterable[str]) -> Enrolled:
    """Which of the photos are enrolled in the gallery. digests: their SHA-256."""
    owners: dict[str, dict[UUID, str]] = defaultdict(dict)
    if wanted := set(digests):
        samples = FaceSample.objects.filter(gallery=gallery, photo_sha256__in=wanted, rejected=False)
        for digest, person, name in samples.values_list("photo_sha256", "identity", "identity__name"):
            owners[digest][person] = name
    return Enrolled(owners)
