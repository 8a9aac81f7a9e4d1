"""The single-row reads that most API calls make; see accounts/compiled_reads.py."""

from accounts.compiled_reads import VisibleRow
from gallery.models import Gallery, Identity

GALLERY = VisibleRow(Gallery.objects.all, "slug")
IDENTITY = VisibleRow(lambda: Identity.objects.select_related("gallery").with_portrait(), "pk")
