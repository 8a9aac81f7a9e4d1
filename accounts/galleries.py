"""The galleries that memberships and keys are for. Accounts know them through their foreign keys alone."""

from django.apps import apps
from django.db.models import QuerySet


def galleries() -> QuerySet:
    """All of them; narrow it with `visible_to(actor)`."""
    return apps.get_model("gallery", "Gallery").objects.all()
