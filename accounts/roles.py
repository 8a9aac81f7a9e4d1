"""Roles in a gallery, and the scopes of an API key."""

from django.db import models


class Role(models.IntegerChoices):
    """Each holds what the one before it may."""

    VIEWER = 10, "Viewer"  # sees people, tries photos
    CURATOR = 20, "Curator"  # enrols and changes people
    OWNER = 30, "Owner"  # settings, members, deletion of the gallery


class Scope(models.TextChoices):
    RECOGNIZE = "recognize", "Recognise photos"
    READ = "read", "Read galleries, people and results"
    ENROL = "enrol", "Enrol and change people"
    MANAGE = "manage", "Change galleries"
