"""Pages that may ask the browser for its webcam."""

import functools
from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase

from faceplatform.web.middleware import PERMISSIONS

ALLOWED = PERMISSIONS.replace("camera=()", "camera=(self)")


def uses_webcam(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Decorates a page's view: the browser may be asked for the webcam there, and on no other page."""

    @functools.wraps(view)
    def allowed(*arguments: Any, **named: Any) -> HttpResponseBase:
        response = view(*arguments, **named)
        response["Permissions-Policy"] = ALLOWED
        return response

    return allowed
