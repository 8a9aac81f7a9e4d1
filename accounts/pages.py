"""Shared by the pages of all apps."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.actor import Actor, Via
from accounts.models import AuditEvent
from faceplatform.database.compiled import Row
from faceplatform.errors import NotFound


def actor_of(request: HttpRequest) -> Actor:
    """The signed-in user, acting through the pages."""
    return Actor.from_request(request, Via.WEB)


def site_of(request: HttpRequest) -> str:
    """Scheme and host of the platform, as the request has them: what links in e-mails begin with."""
    return request.build_absolute_uri("/").rstrip("/")


def offer_undo(request: HttpRequest, text: str, event: AuditEvent) -> None:
    """Shows `text`, what was done, on the next page, with a button that undoes `event`."""
    messages.success(request, text, extra_tags=str(event.pk))


def tell(request: HttpRequest, text: str, event: AuditEvent | None) -> None:
    """Shows `text` on the next page, with a button that undoes `event` where something was changed."""
    if event is None:
        messages.success(request, text)
    else:
        offer_undo(request, text, event)


def get_visible(queryset: QuerySet[Row], request: HttpRequest, **lookup: Any) -> Row:
    """The row that matches. Raises NotFound if there is none or it is hidden from the user.

    queryset: one with `visible_to`.
    """
    rows: Any = queryset
    row: Row | None = rows.visible_to(actor_of(request)).filter(**lookup).first()
    if row is None:
        raise NotFound(_("There is nothing here, or you have no access to it."))
    return row
