"""Which model pack is in force in a gallery, and the vectors of packs that are not.

A cut-over locks the gallery's row FOR UPDATE; whoever adds a sample holds it FOR KEY SHARE until the commit. So at a
cut-over every sample is either there to be counted, or comes after it and knows.
"""

from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet

from faceplatform.errors import Conflict
from gallery.models import FaceEmbedding, FaceSample, Gallery, ThresholdSource


def hold_pack(gallery_id: UUID) -> str:
    """The pack in force, which stays so until the end of the transaction. Raises Conflict (deleted_meanwhile)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pack FROM gallery_gallery WHERE id = %s FOR KEY SHARE", [gallery_id])
        row = cursor.fetchone()
    if row is None:
        raise Conflict("This gallery has been deleted meanwhile.", code="deleted_meanwhile")
    return row[0]


def lock_pack(gallery_id: UUID) -> Gallery:
    """The gallery, locked to change its pack: waits until every sample that is being added is there."""
    return Gallery.objects.select_for_update().get(pk=gallery_id)


def change_pack(gallery: Gallery, pack: str, threshold: dict) -> None:
    """Puts `pack` in force, in a gallery from `lock_pack`. threshold: {"source", "distance"}, of that pack."""
    gallery.pack = pack
    gallery.threshold_source = ThresholdSource(threshold["source"])
    gallery.threshold_distance = threshold["distance"]
    gallery.save(update_fields=["pack", "threshold_source", "threshold_distance"])


def threshold_as_set(gallery: Gallery) -> dict:
    """What `change_pack` takes to put it back."""
    return {"source": gallery.threshold_source, "distance": gallery.threshold_distance}


def samples_without_vector(gallery_id: UUID, pack: str) -> QuerySet[FaceSample]:
    """Those of the gallery that lack their vector of `pack`; also deleted ones, whose deletion may be undone."""
    return FaceSample.with_deleted.without_vector(gallery_id, pack)


def vectors_by_pack(gallery_id: UUID) -> dict[str, int]:
    """How many vectors of each pack the gallery has."""
    rows = FaceEmbedding.objects.filter(gallery=gallery_id).order_by()
    return dict(rows.values_list("pack").annotate(Count("sample")))


def forget_vectors(gallery_id: UUID, *, but: set[str]) -> None:
    """Deletes the gallery's vectors of all other packs. Their indexes go with the next maintenance."""
    FaceEmbedding.objects.filter(~Q(pack__in=but), gallery=gallery_id).delete()
