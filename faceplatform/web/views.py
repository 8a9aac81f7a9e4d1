"""The liveness check, and the pages for errors outside of any view."""

import logging
import sys

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.db import DataError
from django.http import JsonResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from faceplatform.database.trouble import unavailable
from faceplatform.errors import Unavailable
from faceplatform.web.api import NOT_STORABLE, problem_json
from faceplatform.web.middleware import page_of_error

logger = logging.getLogger(__name__)
NOT_VALID = gettext_lazy("The address holds something that is not valid there. Go back, or choose again from the list.")


@login_not_required
@require_safe
def live(request):
    """Says that the web process is up; does not look at the database."""
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def favicon(request):
    """Browsers ask for it here where no page has named one, as for a download."""
    return redirect(static("faceplatform/icon.svg"))


def bad_request(request, exception=None):
    return _answer(request, 400, "invalid_input", _("The request could not be read. Check its format and try again."))


def not_allowed(request, exception=None):
    return _answer(
        request, 403, "not_allowed", _("You are not allowed to do this. Ask an owner of the gallery or an operator.")
    )


def csrf_failure(request, reason=""):
    return _answer(request, 403, "csrf_failed", _("The form is out of date. Go back, reload the page and try again."))


def not_found(request, exception=None):
    return _answer(request, 404, "not_found", _("There is nothing here, or you have no access to it."))


def server_error(request):
    error = sys.exc_info()[1]
    if isinstance(error, DataError):
        return _answer(request, 400, "invalid_input", str(NOT_STORABLE))
    if isinstance(error, ValidationError) and request.path.startswith(
        "/admin/"
    ):  # Django's own reads addresses unchecked
        return _answer(request, 400, "invalid_input", str(NOT_VALID))
    if problem := unavailable(error):
        return unavailable_now(request, problem)
    detail = _("Something went wrong on the server. Tell your operator the request id: the log has the details.")
    return _answer(request, 500, "internal_error", detail)


def unavailable_now(request, problem: Unavailable):
    response = _answer(request, problem.status, problem.code, problem.message)
    response["Retry-After"] = str(problem.retry_after)
    return response


def _answer(request, status: int, code: str, detail: str):
    if request.path.startswith("/api/"):
        return problem_json(request, status=status, code=code, detail=detail)
    return page_of_error(request, status=status, detail=detail)
