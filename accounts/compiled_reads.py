"""Reads of one row that an actor may see, compiled once for each kind of actor."""

from collections.abc import Callable
from types import SimpleNamespace

from django.db.models import Model, QuerySet

from accounts.actor import Actor
from accounts.models import Membership
from faceplatform.database.compiled import Compiled, Given


class VisibleRow:
    """`find` gives what `rows().visible_to(actor).filter(lookup=value).first()` gives."""

    def __init__(self, rows: Callable[[], QuerySet], lookup: str):
        self._rows, self._lookup = rows, lookup
        self._compiled: dict[tuple[bool, bool], Compiled] = {}

    def find(self, actor: Actor, value) -> Model | None:
        user = None if actor.sees_everything else actor.user.pk
        gallery = actor.api_key.gallery_id if actor.api_key else None
        kind = user is None, gallery is None
        if kind not in self._compiled:
            self._compiled[kind] = Compiled(lambda: self._visible_to(_of_kind(*kind)))
        return self._compiled[kind].first(value=value, user=user, gallery=gallery)

    def _visible_to(self, actor: Actor) -> QuerySet:
        return self._rows().visible_to(actor).filter(**{self._lookup: Given("value")}).order_by()


class _AnyUser(Given):
    """Stands for a user who is no operator."""

    is_superuser = is_active = False

    @property
    def memberships(self) -> QuerySet:
        return Membership.objects.filter(user=self)


def _of_kind(sees_everything: bool, whole_platform: bool) -> Actor:
    """An actor without anybody's own values, so that nothing of whoever calls first can stay in what is compiled."""
    key = None if whole_platform else SimpleNamespace(gallery_id=Given("gallery"))
    return Actor(user=None if sees_everything else _AnyUser("user"), api_key=key)
