"""Leads a browser to another page: who is not signed in, or not any more, signs in and comes back to the page."""

from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme


def lead_to_sign_in(request: HttpRequest) -> HttpResponse:
    """An address that only takes forms is no page to come back to: that is the one that sent the request."""
    home = resolve_url(settings.LOGIN_REDIRECT_URL)
    url = f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': page_of(request) or home}, safe='/')}"
    return lead(request, url, status=401)


def lead(request: HttpRequest, url: str, *, status: int) -> HttpResponse:
    """To another page. htmx would put that one into a part of its own: it is told to have the browser go there.

    status: of the answer to htmx.
    """
    if "HX-Request" in request.headers:
        return HttpResponse(status=status, headers={"HX-Redirect": url})
    return redirect(url)


def page_of(request: HttpRequest) -> str:
    """The address of the page that sent the request, without this server's name; empty if it does not say."""
    url = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
        return ""
    parts = urlsplit(url)
    return urlunsplit(("", "", "/" + parts.path.lstrip("/"), parts.query, ""))
