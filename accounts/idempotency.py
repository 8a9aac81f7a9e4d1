"""A POST that is sent twice with the same Idempotency-Key happens once, and gets the same answer twice.

The key is claimed in the transaction of the POST. A second POST waits until the first one commits, and then finds its answer. If
the first one fails or its process is killed, nothing of it remains and the second one is carried out. So errors are not stored:
they changed nothing. Nor do photos count that all failed later, for a fault of the server: a repeat carries the call out again.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.models import IdempotentAnswer, User
from faceplatform.database.batches import delete_in_batches
from faceplatform.errors import Conflict, InvalidInput, Unprocessable

LIFETIME = timedelta(hours=24)
LONGEST_KEY = 255
HEADERS = ("Location", "ETag")
REPLAYED = "Idempotency-Replayed"
AT_ONCE = 500  # answers whose ids are looked up together
FORGOTTEN = ""  # in place of the fingerprint of an answer that was erased: it could be guessed from a name
# All ids an answer mentions, and whether it names somebody. A pattern that is null matches nothing.
MENTIONS = """
    SELECT id, key ~* %(pattern)s::text OR body ~* %(pattern)s::text, array(
        SELECT found[1]::uuid FROM regexp_matches(
            key || ' ' || body || ' ' || headers::text,
            '([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})', 'gi'
        ) found
    ) || coalesce(waits_for, '{}')
    FROM accounts_idempotentanswer WHERE fingerprint <> ''
"""
FORGET = """
    UPDATE accounts_idempotentanswer SET fingerprint = '', body = '', headers = '{}', waits_for = NULL,
        key = CASE WHEN key ~* %(named)s::text THEN id::text ELSE key END
    WHERE id = ANY(%(ids)s)
"""


def claim(*, user: User, key: str, fingerprint: str) -> tuple[IdempotentAnswer, bool]:
    """The key's row, and whether it is new. Call it in the transaction of the POST.

    Raises InvalidInput, Unprocessable, and Conflict (answer_erased) if its answer was forgotten.
    """
    if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise InvalidInput(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters, such as a UUID.")
    IdempotentAnswer.objects.filter(user=user, key=key, created_at__lt=timezone.now() - LIFETIME).delete()
    row, new = IdempotentAnswer.objects.get_or_create(user=user, key=key, defaults={"fingerprint": fingerprint})
    if row.fingerprint == FORGOTTEN:
        message = (
            "The answer to this call was erased with the person or gallery it was about. The call is not repeated."
        )
        raise Conflict(message, code="answer_erased")
    if row.fingerprint != fingerprint:
        message = "This Idempotency-Key was used for another call. Use a new key for each new call."
        raise Unprocessable(message, code="idempotency_key_reused")
    return row, new


def reopened(row: IdempotentAnswer, came_to_nothing: Callable[[list[UUID]], bool]) -> bool:
    """Whether the call is to be carried out again. Of several repeats at once, the first one does; call it in its transaction.

    came_to_nothing: whether all of these photos failed for a fault of the server.
    """
    if not came_to_nothing(row.waits_for or []):
        return False
    locked = IdempotentAnswer.objects.select_for_update().filter(pk=row.pk).first()
    if locked is None:  # it has just expired
        return False
    row.waits_for = locked.waits_for
    return came_to_nothing(row.waits_for or [])


def store(row: IdempotentAnswer, response: HttpResponse, *, shown_once: tuple[str, ...] = ()) -> None:
    """Stores the answer. shown_once: fields that are stored as null, such as a new API key."""
    row.status = response.status_code
    row.waits_for = getattr(response, "waits_for", None)
    row.headers = {name: response[name] for name in HEADERS if name in response}
    data = getattr(response, "data", None)
    if row.waits_for is None and data is not None:
        stored = data | dict.fromkeys(shown_once) if shown_once else data
        row.body = JSONRenderer().render(stored).decode()
    row.save()


def replay(row: IdempotentAnswer) -> HttpResponse:
    """The stored answer."""
    return HttpResponse(row.body, status=row.status, headers=row.headers, content_type="application/json")


def fingerprint_of(request: Request) -> str:
    """SHA-256 of the call: its method, URL and fields, and the content of its files."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    for name, value in _fields(request.data):
        digest.update(json.dumps([name, getattr(value, "name", value)], default=str).encode())
        if hasattr(value, "chunks"):
            content = hashlib.sha256()
            for chunk in value.chunks():
                content.update(chunk)
            digest.update(content.digest())
            value.seek(0)
    return digest.hexdigest()


def _fields(data: Any) -> list[tuple[str, Any]]:
    if hasattr(data, "lists"):
        return sorted(((name, value) for name, values in data.lists() for value in values), key=lambda field: field[0])
    return sorted(data.items()) if isinstance(data, dict) else [("", data)]


def delete_expired() -> int:
    """Deletes the answers that are older than LIFETIME; returns how many."""
    return delete_in_batches(IdempotentAnswer.objects.filter(created_at__lt=timezone.now() - LIFETIME))


def forget(*, known: Callable[[set[UUID]], set[UUID]], pattern: str | None, key_pattern: str | None) -> int:
    """Erases the answers about somebody; returns how many. Their calls are not carried out again: see `claim`.

    known: which of some ids are theirs. pattern, key_pattern: PostgreSQL regular expressions for texts that name them, and for
    the keys of their answers that name them: such a key is replaced.
    """
    with connection.cursor() as cursor:
        cursor.execute(MENTIONS, {"pattern": pattern})
        answers = cursor.fetchall()
    theirs = [answer for answer, named, _ in answers if named]
    for start in range(0, len(answers), AT_ONCE):
        some = answers[start : start + AT_ONCE]
        found = known({pk for _, _, ids in some for pk in ids})
        theirs += [answer for answer, named, ids in some if not named and not found.isdisjoint(ids)]
    with connection.cursor() as cursor:
        cursor.execute(FORGET, {"ids": theirs, "named": key_pattern})
    return len(theirs)
