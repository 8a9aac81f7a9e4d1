"""The audit page."""

from django.core.paginator import Paginator
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import AuditEvent, Look
from accounts.pages import actor_of


@require_safe
def audit(request):
    """The audit, newest first, with a search. With `show=access` sign-ins and refusals. Answers htmx with the rows alone."""
    actor, query = actor_of(request), request.GET.get("q", "").replace("\0", "").strip()
    access = request.GET.get("show") == "access"
    if access:
        rows = Look.objects.visible_to(actor).of_access().order_by("-last_at", "-id")
    else:
        rows = AuditEvent.objects.visible_to(actor).with_undone()
    part = "accounts/_looks.html" if access else "accounts/_audit_rows.html"
    page = Paginator(rows.matching(query), 50).get_page(request.GET.get("page"))
    context = {"page": page, "query": query, "access": access, "part": part, "nobody": "Nothing here."}
    return render(request, part if request.htmx else "accounts/audit.html", context)
