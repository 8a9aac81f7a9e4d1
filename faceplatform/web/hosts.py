"""The host names that the platform answers to: a request for another one is told which setting names them."""

import logging

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation import gettext_lazy

from faceplatform.errors import InvalidInput
from faceplatform.web.api import problem_json
from faceplatform.web.languages import SOURCE
from faceplatform.web.middleware import STRICT_POLICY, GetResponse, PlatformRequest, error_page

logger = logging.getLogger(__name__)
ASKED_BY_MACHINES = ("/health/", "/metrics")  # by the address or the container's name; the answer names no address
UNKNOWN = gettext_lazy(
    "This platform does not answer to the name “%(name)s”. If users reach it under that name, its operator has to add it to the "
    "setting FACEPLATFORM_ALLOWED_HOSTS and to restart it."
)
UNREADABLE = gettext_lazy(
    "The request names no host that could be one. Send the header Host with the platform's address."
)


class AllowedHostMiddleware:
    """Answers 400 with a sentence where Django would log a traceback. Health and figures are told under any name."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PlatformRequest) -> HttpResponseBase:
        if request.path_info.startswith(ASKED_BY_MACHINES):
            request.get_host = lambda: "localhost"  # type: ignore[method-assign]
            return self.get_response(request)
        if request.path_info.startswith(settings.STATIC_URL):  # so that the page with the sentence has its style
            return self.get_response(request)
        try:
            request.get_host()
        except DisallowedHost:
            return _refusal(request)
        return self.get_response(request)


def _refusal(request: PlatformRequest) -> HttpResponseBase:
    name, _ = split_domain_port(request.META.get("HTTP_HOST", _server(request)))
    logger.info("refused a request for the host %s", ascii(name[:255]))
    api = request.path_info.startswith("/api/")
    with translation.override(SOURCE if api else translation.get_language_from_request(request)):
        response = _answer(request, str(UNKNOWN % {"name": name[:255]} if name else UNREADABLE), api)
    response["Content-Security-Policy"], response["Cache-Control"] = STRICT_POLICY, "private, no-store"
    return response


def _answer(request: PlatformRequest, detail: str, api: bool) -> HttpResponseBase:
    error = InvalidInput(detail, code="unknown_host")
    if api:
        return problem_json(request, status=error.status, code=error.code, detail=error.message)
    return error_page(request, error)


def _server(request: HttpRequest) -> str:
    return request.META.get("SERVER_NAME", "")
