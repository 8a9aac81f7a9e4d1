"""Deletes rows and counts them by table, for reports."""

from collections import Counter
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet


def delete_rows(rows: QuerySet[Any]) -> Counter[str]:
    _, by_model = rows.delete()
    return Counter({table_of(apps.get_model(label)): count for label, count in by_model.items()})


def table_of(model: type[Model]) -> str:
    return model._meta.db_table
