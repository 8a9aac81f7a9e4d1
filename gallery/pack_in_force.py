"""The model pack in force in a gallery, how it is changed, and the vectors of the other packs.

A change of pack locks the gallery's row FOR UPDATE; adding a sample locks it FOR KEY SHARE until the commit. The two locks
exclude each other: a sample is either committed before the change and counted by it, or added after it with the new pack.
"""

from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from faceplatform.errors import Conflict
from gallery.models import FaceEmbedding, FaceSample, Gallery, ThresholdSource


def hold_pack(gallery_id: UUID) -> str:
    """The pack in force, which cannot change before this transaction ends. Raises Conflict (deleted_meanwhile)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pack FROM gallery_gallery WHERE id = %s FOR KEY SHARE", [gallery_id])
        row = cursor.fetchone()
    if row is None:
        raise Conflict(_("This gallery has been deleted in the meantime."), code="deleted_meanwhile")
    return row[0]


def lock_pack(gallery_id: UUID) -> Gallery:
    """The gallery, locked so that its pack can be changed. Waits for samples being added to be committed."""
    return Gallery.objects.select_for_update().get(pk=gallery_id)


def change_pack(gallery: Gallery, pack: str, threshold: dict) -> None:
    """Puts `pack` in force in a gallery that `lock_pack` returned. threshold: {"source", "distance"} for that pack."""
    gallery.pack = pack
    gallery.threshold_source = ThresholdSource(threshold["source"])
    gallery.threshold_distance = threshold["distance"]
    gallery.save(update_fields=["pack", "threshold_source", "threshold_distance"])


def threshold_settings(gallery: Gallery) -> dict:
    """The gallery's threshold, in the form that `change_pack` takes."""
    return {"source": gallery.threshold_source, "distance": gallery.threshold_distance}


def samples_without_vector(gallery_id: UUID, pack: str) -> QuerySet[FaceSample]:
    """The gallery's samples without a vector of `pack`, including deleted ones: their deletion may be undone."""
    return FaceSample.with_deleted.without_vector(gallery_id, pack)


def vectors_by_pack(gallery_id: UUID) -> dict[str, int]:
    """How many vectors the gallery has of each pack."""
    rows = FaceEmbedding.objects.filter(gallery=gallery_id).order_by()
    return dict(rows.values_list("pack").annotate(Count("sample")))


def delete_vectors_except(gallery_id: UUID, *, packs: set[str]) -> None:
    """Deletes the gallery's vectors of all packs but these. The next index maintenance drops their indexes."""
    FaceEmbedding.objects.filter(~Q(pack__in=packs), gallery=gallery_id).delete()
