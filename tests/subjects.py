"""Erases people and searches the database for what is left of them."""

from django.db import connection

from accounts.actor import system_actor
from gallery.models import Identity
from recognition.privacy.erasure import erase_subject
from recognition.privacy.models import Erasure
from recognition.privacy.subject import find_subject

ACTOR = system_actor()


def tables_with(text: str) -> list[str]:
    """The tables of the whole database in which some row contains `text`, also within bytes."""
    tables = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            hexed = text.encode().hex()
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s OR t::text ILIKE %s",
                [f"%{text}%", f"%{hexed}%"],
            )
            if cursor.fetchone()[0]:
                tables.append(table)
    return tables


def erase(person: Identity, *, actor=ACTOR, reason: str = "asked by letter") -> Erasure:
    subject = find_subject(person.pk)
    return erase_subject(actor=actor, subject=subject, confirm=subject.name, reason=reason)
