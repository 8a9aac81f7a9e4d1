"""Reads of cameras and of what they saw, limited to what an actor may see."""

from accounts.querysets import GalleryScopedQuerySet


class CameraQuerySet(GalleryScopedQuerySet):
    def with_state(self):
        return self.select_related("gallery", "state")


class SightingQuerySet(GalleryScopedQuerySet):
    def with_people(self):
        return self.select_related("gallery", "camera", "identity__merged_into", "unknown")


class UnknownPersonQuerySet(GalleryScopedQuerySet):
    def open(self):
        """Those who still are unknown people of their own: not named, not merged into another, not ignored."""
        return self.filter(identity=None, merged_into=None, ignored=False)
