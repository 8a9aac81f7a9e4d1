"""Reads of kiosks."""

from django.db.models.functions import Now

from accounts.querysets import GalleryScopedQuerySet


class KioskQuerySet(GalleryScopedQuerySet):
    def waiting(self):
        """Those whose code can be used now."""
        return self.in_force().filter(code_hash__isnull=False, code_expires_at__gt=Now())

    def in_force(self):
        """Not those of a camera that became something else, or of a gallery that is being deleted."""
        return self.select_related("camera__gallery").filter(camera__kind="webcam", gallery__deletes_at=None)
