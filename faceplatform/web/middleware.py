"""A request id on every answer and log line, the content security policy, and domain errors as pages."""

import logging
import re
from contextvars import ContextVar

import uuid6
from django.shortcuts import render

from faceplatform.errors import DomainError

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")

# Unfold's pages use Alpine, which evaluates expressions, and the API docs set styles; our own pages do without.
LOOSER = ("/admin/", "/api/v1/docs/")
STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
LOOSER_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


class RequestIdMiddleware:
    """Takes the caller's X-Request-ID where it is plain, else makes one; gives it back on every answer."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not hasattr(request, "request_id"):  # else it passes for the second time; see later.py
            request.request_id = request_id_of(request.headers.get("X-Request-ID", ""))
        token = current_request_id.set(request.request_id)
        try:
            response = self.get_response(request)
        finally:
            current_request_id.reset(token)
        response["X-Request-ID"] = request.request_id
        return response


def request_id_of(given: str) -> str:
    return given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else str(uuid6.uuid7())


class RequestIdFilter(logging.Filter):
    """Adds the request id to every log record."""

    def filter(self, record):
        """Django logs an answer after the middleware; the record has the request then."""
        request = getattr(record, "request", None)
        record.request_id = getattr(request, "request_id", None) or current_request_id.get()
        return True


class ContentSecurityPolicyMiddleware:
    """Scripts, styles and pictures from here alone."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        policy = LOOSER_POLICY if request.path.startswith(LOOSER) else STRICT_POLICY
        response.setdefault("Content-Security-Policy", policy)
        return response


class DomainErrorMiddleware:
    """What a page's view lets through of the domain's errors becomes a page that says what to do."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        return error_page(request, exception) if isinstance(exception, DomainError) else None


def error_page(request, error: DomainError):
    context = {"status": error.status, "detail": error.message, "request_id": request.request_id}
    return render(None, "error.html", context, status=error.status)
