"""Reads of alerts and webhooks, limited to what an actor may see."""

from datetime import timedelta

from django.apps import apps
from django.db.models import Exists, OuterRef, Prefetch, Q
from django.utils import timezone

from accounts.querysets import GalleryScopedQuerySet
from accounts.roles import Role

COUNTED, COUNTED_FOR = 100, timedelta(days=30)


class AlertQuerySet(GalleryScopedQuerySet):
    def with_all(self):
        return self.select_related("gallery", "camera", "identity__merged_into", "unknown__merged_into", "sighting")

    def of_person(self, identity):
        """About this person and everybody merged into them. identity: a person's id."""
        return self.filter(Q(identity=identity) | Q(identity__merged_into=identity))

    def with_seen(self, actor):
        """Adds who has looked at each, and `seen_by_actor`: whether the actor has."""
        seen = apps.get_model("alerts", "AlertSeen").objects
        rows = self.prefetch_related(Prefetch("seen", seen.select_related("user").order_by("at", "id")))
        return rows.annotate(seen_by_actor=Exists(seen.filter(alert=OuterRef("pk"), user=actor.user)))

    def unseen_by(self, user):
        seen = apps.get_model("alerts", "AlertSeen").objects
        return self.exclude(Exists(seen.filter(alert=OuterRef("pk"), user=user)))

    def count_new_to(self, user) -> int:
        """How many of the last 30 days `user` has not looked at; COUNTED at most, so that it costs little."""
        recent = self.filter(raised_at__gt=timezone.now() - COUNTED_FOR)
        return recent.unseen_by(user).order_by()[:COUNTED].count()


class OwnersQuerySet(GalleryScopedQuerySet):
    """Rows that only owners see: whom a gallery watches, and where its alerts are sent."""

    def visible_to(self, actor, role: Role = Role.OWNER):
        return super().visible_to(actor, role)


class RuleQuerySet(OwnersQuerySet):
    def with_choices(self):
        """With the people as they were chosen; `AlertRule.chosen` says who they are now."""
        from gallery.models import Identity

        people = Identity.with_deleted.select_related("merged_into")
        chosen = [Prefetch(field, people) for field in ("people", "but_not")]
        return self.select_related("gallery").prefetch_related("cameras", *chosen)


class DeliveryQuerySet(OwnersQuerySet):
    def with_tries(self):
        return self.select_related("gallery", "endpoint").prefetch_related("tries")
