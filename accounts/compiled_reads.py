"""Reads of a single row that an actor may see, compiled once for each kind of actor."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Generic

from django.db.models import QuerySet

from accounts.actor import Actor
from accounts.models import Membership
from faceplatform.database.compiled import Compiled, Given, Row


class VisibleRow(Generic[Row]):
    """A compiled read: `find(actor, value)` is `rows().visible_to(actor).filter(lookup=value).first()`."""

    def __init__(self, rows: Callable[[], QuerySet[Row]], lookup: str) -> None:
        self._rows, self._lookup = rows, lookup
        self._compiled: dict[tuple[bool, bool, bool], Compiled[Row]] = {}

    def find(self, actor: Actor, value: object) -> Row | None:
        """The row; None if there is none or it is hidden from `actor`."""
        user = None if actor.user is None or actor.sees_everything else actor.user.pk
        gallery = actor.api_key.gallery_id if actor.api_key else None
        kind = actor.user is None, user is None, gallery is None
        if kind not in self._compiled:
            self._compiled[kind] = Compiled(lambda: self._visible_to(_placeholder_actor(*kind)))
        return self._compiled[kind].first(value=value, user=user, gallery=gallery)

    def _visible_to(self, actor: Actor) -> QuerySet[Row]:
        rows: Any = self._rows()  # a queryset with `visible_to`
        return rows.visible_to(actor).filter(**{self._lookup: Given("value")}).order_by()


class _GivenUser(Given):
    """A placeholder for a user who is not an operator."""

    is_superuser = is_active = False

    @property
    def memberships(self) -> QuerySet[Membership]:
        return Membership.objects.filter(user=self)


class _GivenOperator(_GivenUser):
    is_superuser = is_active = True


def _placeholder_actor(is_platform: bool, sees_everything: bool, all_galleries: bool) -> Actor:
    """An actor made of placeholders, so that no value of the first caller can end up in what is compiled.

    They are no user and no key, but have all that a `visible_to` reads of them.
    """
    user: Any = None if is_platform else _GivenOperator("user") if sees_everything else _GivenUser("user")
    key: Any = None if all_galleries else SimpleNamespace(gallery_id=Given("gallery"))
    return Actor(user=user, api_key=key)
