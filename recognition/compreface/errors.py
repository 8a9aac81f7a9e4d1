"""Errors in CompreFace's shape, `{"message": …, "code": number}`, with its HTTP statuses."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.response import Response

from faceplatform.errors import InvalidInput
from faceplatform.web.api import problem_response
from recognition.photos.faults import SERVER
from recognition.photos.results.refusals import REFUSALS

# Our error code → CompreFace's status and code (CommonExceptionCode and CrudExceptionCode in its source).
NO_USABLE_FACE = dict.fromkeys(REFUSALS, (HTTPStatus.BAD_REQUEST, 28))
SERVER_FAULT = {code: (HTTPStatus(status), 41) for code, status in SERVER.items()}
CODES = (
    NO_USABLE_FACE
    | SERVER_FAULT
    | {
        "multiple_faces": (HTTPStatus.BAD_REQUEST, 31),
        "identity_similarity_conflict": (HTTPStatus.BAD_REQUEST, 0),
        "not_allowed": (HTTPStatus.FORBIDDEN, 1),
        "scope_missing": (HTTPStatus.FORBIDDEN, 1),
        "not_authenticated": (HTTPStatus.NOT_FOUND, 10),
        "key_without_gallery": (HTTPStatus.NOT_FOUND, 10),
        "not_found": (HTTPStatus.NOT_FOUND, 10),  # the key's gallery is hidden from its user
        "key_missing": (HTTPStatus.BAD_REQUEST, 20),
        "invalid_image": (HTTPStatus.BAD_REQUEST, 21),
        "photo_truncated": (HTTPStatus.BAD_REQUEST, 21),
        "subject_invalid": (HTTPStatus.BAD_REQUEST, 26),
        "parameter_missing": (HTTPStatus.BAD_REQUEST, 33),
        "file_missing": (HTTPStatus.BAD_REQUEST, 34),
        "invalid_input": (HTTPStatus.BAD_REQUEST, 36),
        "vectors_missing": (HTTPStatus.BAD_REQUEST, 37),
        "subject_not_found": (HTTPStatus.NOT_FOUND, 42),
        "subject_exists": (HTTPStatus.BAD_REQUEST, 43),
        "embedding_not_found": (HTTPStatus.NOT_FOUND, 44),
        "no_worker": (HTTPStatus.SERVICE_UNAVAILABLE, 41),
        "not_finished": (HTTPStatus.SERVICE_UNAVAILABLE, 41),
    }
)
UNDEFINED = 0
UNREADABLE = (
    "The request cannot be read: it has too many parameters or files, one of them is too large, or text in it is not valid "
    "Unicode. Correct it and send it again."
)


def compreface_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """The exception handler of these views: the error that the rest of the API would give, in CompreFace's shape."""
    if isinstance(error, SuspiciousOperation | UnicodeError):
        error = InvalidInput(UNREADABLE)
    answer = problem_response(error, context)
    if answer is None:
        return None
    code = "file_missing" if _is_field_missing(error) else answer.data["code"]
    status, number = CODES.get(code, (answer.status_code, UNDEFINED))
    headers = {name: value for name, value in answer.items() if name in ("Retry-After", "Allow")}
    return Response({"message": answer.data["detail"], "code": number}, status=status, headers=headers)


def _is_field_missing(error: Exception) -> bool:
    if not isinstance(error, ValidationError) or not isinstance(error.detail, dict):
        return False
    return any(
        isinstance(message, ErrorDetail) and message.code == "required"
        for messages in error.detail.values()
        for message in messages
    )
