"""The audit page."""

from django.core.paginator import Paginator
from django.db.models import Count
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.audit.words import actions_like, facts, sentence_parts
from accounts.models import AuditEvent, Look
from accounts.pages import actor_of
from accounts.querysets import IMPORTED, ROWS_OF_IMPORTS

PER_PAGE = 50


@require_safe
def audit(request):
    """The audit, newest first, with a search. With `show=access` sign-ins and refusals; with `import=`, a request id, what single
    photos of an import did, which is one row otherwise. Answers htmx with the rows alone."""
    actor, query = actor_of(request), _text(request, "q")
    access, of_import = request.GET.get("show") == "access", _text(request, "import")
    if access:
        rows = Look.objects.visible_to(actor).of_access().order_by("-last_at", "-id").matching(query)
    else:
        rows = AuditEvent.objects.visible_to(actor).with_undone()
        if of_import:
            rows = rows.rows_of_import(of_import)
        elif not query:
            rows = rows.without_rows_of_imports()
        rows = rows.matching(query, actions_like(query))
    part = "accounts/_looks.html" if access else "accounts/_audit_rows.html"
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "query": query, "access": access, "of_import": of_import, "part": part}
    context |= {"nobody": _("Nothing here."), "events": [] if access else _told(actor, list(page))}
    return render(request, part if request.htmx else "accounts/audit.html", context)


def _text(request, name: str) -> str:
    return request.GET.get(name, "").replace("\0", "").strip()


def _told(actor, events: list[AuditEvent]) -> list[dict]:
    """Each event in words; an import with how many people and faces came of it."""
    counts = _counts(actor, [event.request_id for event in events if event.action == IMPORTED and event.request_id])
    told = []
    for event in events:
        people, faces = (counts.get((event.request_id, action), 0) for action in ROWS_OF_IMPORTS)
        is_import = event.action == IMPORTED
        told.append(
            {
                "event": event,
                "sentence": sentence_parts(event),
                "facts": facts(event),
                "import": {"people": people, "faces": faces} if is_import and people + faces else None,
            }
        )
    return told


def _counts(actor, request_ids: list[str]) -> dict[tuple[str, str], int]:
    if not request_ids:
        return {}
    rows = (
        AuditEvent.objects.visible_to(actor).filter(action__in=ROWS_OF_IMPORTS, request_id__in=request_ids).order_by()
    )
    found = rows.values_list("request_id", "action").annotate(count=Count("pk"))
    return {(request_id, action): count for request_id, action, count in found}
