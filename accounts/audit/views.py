"""The audit page."""

from django.core.paginator import Paginator
from django.shortcuts import render

from accounts.models import AuditEvent
from accounts.pages import actor_of


def audit(request):
    """The audit, newest first, with a search. Answers htmx with the rows alone."""
    events = AuditEvent.objects.visible_to(actor_of(request)).with_undone().matching(request.GET.get("q", "").strip())
    page = Paginator(events, 50).get_page(request.GET.get("page"))
    template = "accounts/_audit_rows.html" if request.htmx else "accounts/audit.html"
    return render(request, template, {"page": page, "query": request.GET.get("q", "")})
