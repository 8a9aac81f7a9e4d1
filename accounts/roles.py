"""Roles in a gallery, and the scopes of an API key."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.IntegerChoices):
    """What a member of a gallery may do. Each role includes the ones before it."""

    VIEWER = 10, _("Viewer")  # sees people, recognises photos
    CURATOR = 20, _("Curator")  # enrols and edits people
    OWNER = 30, _("Owner")  # changes settings and members, deletes the gallery

    @property
    def in_a_sentence(self) -> str:
        """As in “Ann is curator of …”."""
        return str(IN_A_SENTENCE[self])


IN_A_SENTENCE = {Role.VIEWER: _("viewer"), Role.CURATOR: _("curator"), Role.OWNER: _("owner")}


class Scope(models.TextChoices):
    """What an API key may do, within the role of its user."""

    RECOGNIZE = "recognize", _("Recognise photos")
    READ = "read", _("Read galleries, people and results")
    ENROL = "enrol", _("Enrol and change people")
    MANAGE = "manage", _("Change galleries")
