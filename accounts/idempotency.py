"""A POST that is sent twice with the same Idempotency-Key happens once, and gets the same answer twice.

The key is claimed in the transaction of the POST. A second POST waits until the first one commits, and then finds its answer. If
the first one fails or its process is killed, nothing of it remains and the second one is carried out. So errors are not stored:
they changed nothing.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from accounts.models import IdempotentAnswer, User
from faceplatform.database.batches import delete_in_batches
from faceplatform.errors import InvalidInput, Unprocessable

LIFETIME = timedelta(hours=24)
LONGEST_KEY = 255
HEADERS = ("Location", "ETag")


def claim(*, user: User, key: str, fingerprint: str) -> tuple[IdempotentAnswer, bool]:
    """The key's row, and whether it is new. Call it in the transaction of the POST. Raises InvalidInput, Unprocessable."""
    if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise InvalidInput(f"Idempotency-Key must be 1 to {LONGEST_KEY} printable characters, such as a UUID.")
    IdempotentAnswer.objects.filter(user=user, key=key, created_at__lt=timezone.now() - LIFETIME).delete()
    row, new = IdempotentAnswer.objects.get_or_create(user=user, key=key, defaults={"fingerprint": fingerprint})
    if row.fingerprint != fingerprint:
        message = "This Idempotency-Key was used for another call. Use a new key for each new call."
        raise Unprocessable(message, code="idempotency_key_reused")
    return row, new


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
    """The stored answer, with the header Idempotency-Replayed."""
    headers = row.headers | {"Idempotency-Replayed": "true"}
    return HttpResponse(row.body, status=row.status, headers=headers, content_type="application/json")


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
