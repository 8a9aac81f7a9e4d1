"""Which answers a client takes, by its header Accept."""

from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

PROBLEM = "application/problem+json"


class ContentNegotiation(DefaultContentNegotiation):
    """Besides what the renderers make, a client may ask for what the view answers with (`answers_with`: a picture, a ZIP), and
    for errors, which are problem+json in any case. An empty Accept allows everything."""

    def get_accept_list(self, request: Request) -> list[str]:
        return super().get_accept_list(request) if request.headers.get("Accept", "").strip(" ,") else ["*/*"]

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderers = list(renderers)
        try:
            return super().select_renderer(request, renderers, format_suffix)
        except NotAcceptable as error:
            view: Any = request.parser_context["view"]
            own = getattr(view, "answers_with", ())
            wanted = self.get_accept_list(request)
            if not any(media_type_matches(kind, accepted) for kind in (PROBLEM, *own) for accepted in wanted):
                kinds = " or ".join(own or [renderer.media_type for renderer in renderers])
                raise NotAcceptable(f"The answer is {kinds}. Correct the header Accept, or leave it out.") from error
            return renderers[0], renderers[0].media_type
