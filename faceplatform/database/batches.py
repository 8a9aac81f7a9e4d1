"""Deleting many rows, a bounded number in each transaction, so that none holds locks for long."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

BATCH = 1_000


def delete_in_batches(rows: QuerySet[Any], size: int = BATCH) -> int:
    """Deletes the rows with whatever hangs on them; returns how many of the rows themselves there were."""
    deleted = 0
    rows = rows.order_by("pk")
    while keys := list(rows.values_list("pk", flat=True)[:size]):
        with transaction.atomic():
            rows.model._base_manager.filter(pk__in=keys).delete()
        deleted += len(keys)
    return deleted
