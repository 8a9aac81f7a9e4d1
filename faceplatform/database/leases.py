"""Leases by the database's clock, which somebody may set back."""

from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now


def is_expired(name: str, length: timedelta) -> Q:
    """Whether the lease in column `name` has run out. One that ends much later than any given now was given before the clock
    was set back, and nobody would let it expire for as long; a holder that is still there notices at its next write.
    """
    return Q(**{f"{name}__lt": Now()}) | Q(**{f"{name}__gt": Now() + 2 * length})
