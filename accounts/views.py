"""Sign-in and the audit page."""

from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView
from django.core.paginator import Paginator
from django.shortcuts import render

from accounts.actor import Actor, Via
from accounts.models import AuditEvent


def actor_of(request) -> Actor:
    """The signed-in user, acting through the pages."""
    return Actor.from_request(request, Via.WEB)


def done(request, text: str, event: AuditEvent) -> None:
    """Says on the next page what was done, with a button that takes it back."""
    messages.success(request, text, extra_tags=str(event.pk))


class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True


class SignOut(LogoutView):
    pass


def audit(request):
    """Who enrolled, changed and deleted, and who searched what."""
    events = AuditEvent.objects.visible_to(actor_of(request)).with_undone().matching(request.GET.get("q", "").strip())
    page = Paginator(events, 50).get_page(request.GET.get("page"))
    template = "accounts/_audit_rows.html" if request.htmx else "accounts/audit.html"
    return render(request, template, {"page": page, "query": request.GET.get("q", "")})
