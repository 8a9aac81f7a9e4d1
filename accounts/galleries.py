"""Galleries, as far as accounts know them: through the foreign keys of memberships and API keys, without importing the app."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from django.apps import apps

from accounts.querysets import GalleryScopedQuerySet


class GalleryRow(Protocol):
    """What accounts read of a gallery."""

    @property
    def pk(self) -> UUID: ...

    @property
    def slug(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def deletes_at(self) -> datetime | None: ...


def galleries() -> GalleryScopedQuerySet:
    """All galleries; narrow them with `visible_to(actor)`."""
    return apps.get_model("gallery", "Gallery").objects.all()
