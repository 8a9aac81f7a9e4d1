"""Roles in a gallery, and the scopes of an API key."""

from django.db import models


class Role(models.IntegerChoices):
    """What a member of a gallery may do. Each role includes the ones before it."""

    VIEWER = 10, "Viewer"  # sees people, recognises photos
    CURATOR = 20, "Curator"  # enrols and edits people
    OWNER = 30, "Owner"  # changes settings and members, deletes the gallery


class Scope(models.TextChoices):
    """What an API key may do, within the role of its user."""

    RECOGNIZE = "recognize", "Recognise photos"
    READ = "read", "Read galleries, people and results"
    ENROL = "enrol", "Enrol and change people"
    MANAGE = "manage", "Change galleries"
