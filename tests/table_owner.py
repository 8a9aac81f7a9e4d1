"""Doing what only the owner of the tables may, on the test's own connection and in its transaction."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection


@contextmanager
def as_owner() -> Iterator[None]:
    """conftest.py lets the role that the platform and the tests connect as become the owner, and lets it inherit nothing."""
    owner = settings.OWNER_DATABASE.get("USER")
    with connection.cursor() as cursor:
        if owner:
            cursor.execute(f'SET ROLE "{owner}"')
        yield
        if owner:
            cursor.execute("SET ROLE NONE")
