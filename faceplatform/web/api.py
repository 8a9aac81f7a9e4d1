"""Shared by all API views: problem+json for errors (RFC 9457), cursor pagination, the photo field."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import exceptions, pagination, serializers
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler

from faceplatform.database.trouble import unavailable
from faceplatform.errors import DomainError, InvalidInput
from faceplatform.web import negotiation
from faceplatform.web.base64_text import decoded

PROBLEM = negotiation.PROBLEM
DEFAULT_WAIT, LONGEST_WAIT = 10, 30  # seconds
CODES = {
    400: "invalid_input",
    401: "not_authenticated",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    412: "edited_meanwhile",
    413: "image_too_large",
    415: "unsupported_media_type",
    422: "face_not_found",
    429: "throttled",
    500: "internal_error",
    503: "no_worker",
}
TITLES = {
    400: "Bad request",
    401: "Sign in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be used",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
NOT_STORABLE = gettext_lazy("A text contains a NUL character, or a number is out of range. Correct it and try again.")


class ProblemSerializer(serializers.Serializer):
    """An error: what went wrong and what to do about it."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    # Hides the serializer's own `errors`, which only input needs.
    errors = serializers.DictField(required=False, help_text="Messages per field.")  # type: ignore[assignment]


def problem(
    request: HttpRequest, *, status: int, code: str, detail: str, errors: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The body of an error, as ProblemSerializer describes it."""
    body = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": getattr(request, "request_id", ""),
    }
    return body | ({"errors": errors} if errors else {})


def problem_json(request: HttpRequest, **values: Any) -> JsonResponse:
    """A response with `problem(request, **values)`, for errors outside API views: an unknown URL, a crash."""
    return JsonResponse(problem(request, **values), status=values["status"], content_type=PROBLEM)


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler: answers with problem+json. None for an unexpected error, which becomes a 500."""
    request = context["request"]
    error = unavailable(error) or error
    if isinstance(error, DomainError):
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
        body = problem(request, status=error.status, code=error.code, detail=error.message)
        return Response(body, status=error.status, headers=headers, content_type=PROBLEM)
    if isinstance(error, DataError):
        body = problem(request, status=400, code="invalid_input", detail=str(NOT_STORABLE))
        return Response(body, status=400, content_type=PROBLEM)
    response = exception_handler(error, context)
    if response is None:
        return None
    errors = response.data if isinstance(error, exceptions.ValidationError) else None
    if isinstance(errors, list):
        errors = {"non_field_errors": errors}
    detail = _first_message(errors) if errors else str(response.data.get("detail", error))
    code = CODES.get(response.status_code, getattr(error, "default_code", "error"))
    response.data = problem(request, status=response.status_code, code=code, detail=detail, errors=errors)
    response.content_type = PROBLEM
    return response


def _first_message(errors: Any) -> str:
    """The first of some messages, after the names of the fields that it is about. errors: as REST framework nests them."""
    if isinstance(errors, dict) and errors:
        field, inner = next(iter(errors.items()))
        name = f"{field + 1}" if isinstance(field, int) else field
        return _first_message(inner) if field == "non_field_errors" else f"{name}: {_first_message(inner)}"
    if isinstance(errors, list) and errors:
        return next((_first_message(inner) for inner in errors if inner), "")
    return str(errors)


class CursorPagination(pagination.CursorPagination):
    """Pages of `limit` (1–100) rows, newest first unless the view says otherwise.

    A view may list in `orderings` (name → field) what clients can order by.
    """

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 100
    ordering: tuple[str, ...] = ("-id",)

    def get_ordering(self, request, queryset, view):
        """From `?ordering=`: a name in the view's `orderings`, in descending order if it starts with -."""
        orderings = getattr(view, "orderings", {})
        text = request.query_params.get("ordering")
        if not text or not orderings:
            return self.ordering
        sign, name = ("-", text[1:]) if text.startswith("-") else ("", text)
        if name not in orderings:
            raise InvalidInput(f"ordering must be one of {', '.join(orderings)}; put - before it for descending order.")
        return tuple(dict.fromkeys((sign + orderings[name], f"{sign}id")))

    def paginate_queryset(self, queryset, request, view=None):
        """Raises InvalidInput if the cursor is malformed or belongs to another list."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (exceptions.NotFound, ValidationError, ValueError) as error:
            if self.cursor_query_param not in request.query_params:
                raise
            raise InvalidInput("cursor must come from the `next` or `previous` of an earlier answer.") from error

    def get_page_size(self, request):
        text = request.query_params.get("limit")
        # Nine digits at most, as Python refuses to convert thousands.
        if text is not None and not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= self.max_page_size):
            raise InvalidInput(f"limit must be 1 to {self.max_page_size}.")
        return int(text) if text else self.page_size

    def get_paginated_response(self, data):
        return Response({"results": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_paginated_response_schema(self, schema):
        link = {"type": "string", "format": "uri", "nullable": True}
        properties = {"results": schema, "next": link, "previous": link}
        return {"type": "object", "required": ["results", "next", "previous"], "properties": properties}


@extend_schema_field(OpenApiTypes.BINARY)
class PhotoField(serializers.Field):
    """A photo: a file in multipart, or base64 text in JSON. Its value is as `read_upload` returns it."""

    default_error_messages = {
        "invalid": "Send the photo as a file (multipart/form-data) or as base64 text (JSON).",
        "no_base64": "This text is not base64. Send the photo's bytes as base64, or send it as a file (multipart/form-data).",
    }

    def to_internal_value(self, value: Any) -> tuple[str, bytes, int | None]:
        if hasattr(value, "read"):
            return read_upload(value)
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            return "", decoded(value), None
        except ValueError:
            self.fail("no_base64")


def read_upload(upload: UploadedFile) -> tuple[str, bytes, int | None]:
    """An uploaded file's name, bytes and size, if that is known. Of a file over the limit, just enough bytes for the size check
    to refuse it.
    """
    return upload.name or "", upload.read(settings.MAX_PHOTO_BYTES + 1), upload.size


PREFER = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description=f"`wait=N`: seconds to wait for the result, 0–{LONGEST_WAIT}; {DEFAULT_WAIT} if absent.",
)


def seconds_to_wait(request: HttpRequest) -> float:
    """From the header `Prefer: wait=N` (RFC 7240). Raises InvalidInput if N is no sensible number."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+)", request.headers.get("Prefer", ""))
    if match and len(match[1]) > 9:  # Python refuses to convert thousands of digits
        raise InvalidInput(f"Prefer: wait must be 0 to {LONGEST_WAIT} seconds.")
    return min(int(match[1]), LONGEST_WAIT) if match else DEFAULT_WAIT


def final_answer(view: APIView, answer: Callable[[], HttpResponse]) -> HttpResponse:
    """Does what APIView.dispatch does at its end, for an answer that is made later (later.py): turns errors into problems, and
    renders it."""
    try:
        response: Any = answer()
    except Exception as error:  # noqa: BLE001 - handle_exception raises again what it does not know
        response = view.handle_exception(error)
    response = view.finalize_response(view.request, response, *view.args, **view.kwargs)
    return response.render() if isinstance(response, Response) else response


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the API's schema describes API keys."""

    target_class = "accounts.keys.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema):
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, created with `manage.py api_key create` or under “API keys”.",
        }
