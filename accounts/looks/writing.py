"""Writes looks: one row for each actor, object and hour, with a count. A request writes one at most, in one statement.

Looks are no part of the audit's hash chain: their rows change as the count grows, and are deleted after
FACEPLATFORM_LOOK_RETENTION_DAYS. What counts as a look is said in docs/privacy.md.
"""

from dataclasses import dataclass
from typing import Any

import uuid6
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework.request import Request

from accounts.actor import Actor
from accounts.galleries import GalleryRow
from accounts.models import Look
from faceplatform.database.planned import planned_cursor

Kind = Look.Kind
# A reader does not wait until the disk has the look: that took as long as the reading itself.
NOTE = """
    INSERT INTO accounts_look (
        id, kind, hour, user_id, user_name, api_key_prefix, via, ip, gallery_id, gallery_slug, object_id,
        count, first_at, last_at
    )
    VALUES (
        %s, %s, date_trunc('hour', now(), 'UTC'), %s, %s, %s, %s, %s, %s, %s, %s,
        (SELECT 1 FROM set_config('synchronous_commit', 'off', true)), now(), now()
    )
    ON CONFLICT ON CONSTRAINT look_once DO UPDATE SET count = accounts_look.count + 1, last_at = excluded.last_at
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a request shows. object_id: a person's or recognition's id; empty for lists."""

    kind: str
    gallery: GalleryRow | None = None
    object_id: object = ""


def seen(
    request: HttpRequest | Request, kind: str, *, gallery: GalleryRow | None = None, object_id: object = ""
) -> None:
    """Says what the answer to `request` shows; see `Seen`. It is written if the answer is no error."""
    plain = request._request if isinstance(request, Request) else request
    plain.seen = Seen(kind, gallery, object_id)  # type: ignore[attr-defined]


def in_a_page(request: HttpRequest | Request) -> bool:
    """Whether a browser asks for a picture because a page has it: then the page was the look."""
    if getattr(request, "auth", None) is not None:  # an API key
        return False
    where = request.headers.get("Referer", "")
    from_here = bool(where) and url_has_allowed_host_and_scheme(where, {request.get_host()})
    return request.headers.get("Sec-Fetch-Dest") == "image" or from_here


def note(actor: Actor, look: Seen) -> None:
    """Writes the look, or counts it if the actor has looked at the same in this hour."""
    gallery = look.gallery
    values: list[Any] = [
        uuid6.uuid7(), look.kind, actor.user.pk if actor.user else None, actor.name,
        actor.api_key.prefix if actor.api_key else "", actor.via, actor.ip,
        gallery.pk if gallery else None, gallery.slug if gallery else "", str(look.object_id)[:200],
    ]  # fmt: skip
    with planned_cursor() as cursor:
        cursor.execute(NOTE, values)
