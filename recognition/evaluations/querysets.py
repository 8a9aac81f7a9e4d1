"""Reads of evaluations."""

from django.db.models import QuerySet

from accounts.roles import Role


class EvaluationQuerySet(QuerySet):
    def may_be_seen_by(self, actor) -> bool:
        """Evaluations belong to no gallery: operators and staff see them, and curators of any gallery."""
        key_gallery = actor.api_key.gallery_id if actor.api_key else None
        if actor.sees_everything or (actor.user.is_staff and key_gallery is None):
            return True
        curated = actor.user.memberships.filter(role__gte=Role.CURATOR)
        return curated.filter(**({"gallery_id": key_gallery} if key_gallery else {})).exists()

    def visible_to(self, actor):
        return self if self.may_be_seen_by(actor) else self.none()

    def without_curves(self):
        """For lists."""
        return self.defer("curves", "failures")
