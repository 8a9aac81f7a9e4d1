"""Pages are sent compressed. Nothing else is: pictures are already, and answers of the API are machines' business."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """Who reads along, and can make somebody open pages with guesses in their address, learns from lengths whether a guess is in
    the page (BREACH). Hence each answer is up to 100 random bytes longer (Django's own defence), the token of forms differs in
    each page, and keys and one-time links are in answers to forms alone, which nobody from outside can send.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.get("Content-Type", "").startswith("text/html")
        return super().process_response(request, response) if is_page else response
