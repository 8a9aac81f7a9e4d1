"""What an act has to say, also where the page stays and only a part of it is answered."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from faceplatform.web.middleware import is_part


class ToastMiddleware:
    """Adds the messages of an act that htmx has sent to its answer; the next whole page would show them too late.

    Answers to reading have none: a part that is read every second would take the messages of another tab's act.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.method == "POST" and "HX-Request" in request.headers and is_part(response):
            self._add(request, response)
        return response

    @staticmethod
    def _add(request: HttpRequest, response: HttpResponseBase) -> None:
        said = messages.get_messages(request)
        if isinstance(response, HttpResponse) and response.status_code < 300 and len(said):
            toasts = render_to_string("components/toasts.html", {"messages": said}, request)
            response.write(f'<div hx-swap-oob="beforeend:#toasts">{toasts}</div>')
