"""The reads of one row that most calls make; see accounts/visible.py."""

from accounts.visible import VisibleRow
from gallery.models import Gallery, Identity

GALLERY = VisibleRow(Gallery.objects.all, "slug")
PERSON = VisibleRow(lambda: Identity.objects.select_related("gallery").with_portrait(), "pk")
