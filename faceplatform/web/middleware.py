"""A request id on every response and log line, the content security policy, no copies in browsers, domain errors as pages."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar

import uuid6
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from faceplatform.errors import DomainError, NotAllowed

GetResponse = Callable[[HttpRequest], HttpResponseBase]

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")

ONLY_READ = gettext_lazy("This page can only be read. Nothing was changed. Use GET.")
ONLY_SENT = gettext_lazy("This address only takes a form. Go back and use the page's button.")
PAGE_METHODS = ("GET", "HEAD", "POST")
# Alpine, which Unfold's pages use, evaluates expressions, and the API docs set inline styles. Our own pages need neither.
LOOSER_PATHS = ("/admin/", "/api/v1/docs/")
STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LOOSER_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
# Of devices nothing is used; pages with a webcam say so themselves (webcam.py).
PERMISSIONS = "camera=(), microphone=(), geolocation=(), display-capture=()"


class PlatformRequest(HttpRequest):
    """A request with what the middleware adds to it. For type checking alone. was_forwarded: whether a proxy passed it on."""

    request_id: str
    was_forwarded: bool


class RequestIdMiddleware:
    """Takes the client's X-Request-ID if it is plain, else makes one, and sends it back with every response."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        if not hasattr(request, "request_id"):  # else this is its second pass; see later.py
            request.request_id = request_id_of(request.headers.get("X-Request-ID", ""))
        token = current_request_id.set(request.request_id)
        try:
            response = self.get_response(request)
        finally:
            current_request_id.reset(token)
        response["X-Request-ID"] = request.request_id
        return response


def request_id_of(given: str) -> str:
    """`given`, the client's X-Request-ID, if it is plain; else a new id."""
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else str(uuid6.uuid7())


class RequestIdFilter(logging.Filter):
    """Adds the request id to every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Django logs a response after the middleware has run; then the record has the request."""
        request = getattr(record, "request", None)
        record.request_id = getattr(request, "request_id", None) or current_request_id.get()
        return True


class ContentSecurityPolicyMiddleware:
    """Allows scripts, styles and pictures from this server only, and no devices."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        response = self.get_response(request)
        policy = LOOSER_POLICY if request.path.startswith(LOOSER_PATHS) else STRICT_POLICY
        response.setdefault("Content-Security-Policy", policy)
        response.setdefault("Permissions-Policy", PERMISSIONS)
        return response


class PageMethodsMiddleware:
    """Pages are read and posted to. Views of the API know their own methods, and answer in their own shape."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):  # only a page's decorator makes it: the API has its own
            return response
        allowed = [method for method in response["Allow"].split(", ") if method in PAGE_METHODS]
        with translation.override(translation.get_language_from_request(request)):  # the page's own has ended
            message = str(ONLY_SENT if allowed == ["POST"] else ONLY_READ)
            answer = error_page(request, NotAllowed(message, code="method_not_allowed", status=405))
        answer["Allow"] = ", ".join(allowed)
        return answer

    def process_view(
        self, request: PlatformRequest, view: Callable[..., object], *arguments: object
    ) -> HttpResponse | None:
        if request.method in PAGE_METHODS or hasattr(view, "cls"):
            return None
        message = _("A page cannot be called with %(method)s. Use GET to read it and POST to send a form.")
        message %= {"method": request.method}
        response = error_page(request, NotAllowed(message, code="method_not_allowed", status=405))
        response["Allow"] = ", ".join(PAGE_METHODS)
        return response


class NoStoreMiddleware:
    """Nothing but static files, which pass it by, stays in a browser: names and faces would outlive sign-out and erasure."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "private, no-store"
        return response


class FragmentMiddleware:
    """Marks what may be put into a page: the parts of pages that htmx asks for, and neither whole pages nor JSON.

    static/faceplatform/trouble.js puts nothing else in, whoever answers: a proxy cannot have sent the mark.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if "HX-Request" in request.headers and is_part(response):
            response["X-Fragment"] = "true"
        return response


def is_part(response: HttpResponseBase) -> bool:
    """Whether it is a part of a page: HTML, but no page of its own."""
    is_html = response.get("Content-Type", "").startswith("text/html")
    return is_html and isinstance(response, HttpResponse) and not response.content.startswith(b"<!doctype html>")


class DomainErrorMiddleware:
    """Turns a domain error that a page's view raises into a page that says what to do."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: PlatformRequest, exception: Exception) -> HttpResponse | None:
        forget_new_messages(request)
        return error_page(request, exception) if isinstance(exception, DomainError) else None


def forget_new_messages(request: HttpRequest) -> None:
    """Drops what the view had to say before it failed: its transaction, which may have ended later, was rolled back.

    The admin site says “was changed successfully” inside its transaction.
    """
    storage = getattr(request, "_messages", None)
    if storage is not None:
        storage._queued_messages.clear()


def error_page(request: PlatformRequest, error: DomainError) -> HttpResponse:
    return page_of_error(request, status=error.status, detail=error.message)


def page_of_error(request: HttpRequest, *, status: int, detail: str) -> HttpResponse:
    """With the navigation for who is signed in; but alone, without a look at the database, where the fault is the server's."""
    context = {"status": status, "detail": detail, "request_id": getattr(request, "request_id", "")}
    user = getattr(request, "user", None) if status < 500 else None
    if user is not None and user.is_authenticated:
        return render(request, "error_in_page.html", context, status=status)
    return render(None, "error.html", context, status=status)
