"""Reads of evaluations."""

from django.db.models import QuerySet

from accounts.roles import Role


class EvaluationQuerySet(QuerySet):
    def may_be_seen_by(self, actor) -> bool:
        """Evaluations belong to no gallery, so operators, staff and the curators of any gallery see them."""
        key_gallery = actor.api_key.gallery_id if actor.api_key else None
        if actor.sees_everything or (actor.user.is_staff and key_gallery is None):
            return True
        curated = actor.user.memberships.filter(role__gte=Role.CURATOR)
        return curated.filter(**({"gallery_id": key_gallery} if key_gallery else {})).exists()

    def visible_to(self, actor):
        return self if self.may_be_seen_by(actor) else self.none()

    def without_curves(self):
        """For lists: leaves out the large columns."""
        return self.defer("curves", "failures")
