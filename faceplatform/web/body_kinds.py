"""How large the body of a request may be: by the kind of its address, known before the body is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import Resolver404, resolve

from faceplatform.web.asgi_types import Scope

ANONYMOUS = 64 * 1024  # bytes that anybody may send: enough to sign in
SMALL = 1024 * 1024  # JSON and forms without photos
VECTORS = 4 * 1024 * 1024  # 100 vectors of 512 numbers, written generously
PHOTO = settings.MAX_PHOTO_BYTES * 4 // 3 + SMALL  # base64 makes a photo a third larger
TWO_PHOTOS = PHOTO + settings.MAX_PHOTO_BYTES * 4 // 3
ENROLMENT = settings.MAX_UPLOAD_BYTES
IMPORT = settings.MAX_IMPORT_BYTES + SMALL

# What may be posted to an address, by the name of its URL. Everything else is SMALL.
LIMITS: Mapping[str, int] = {
    "api:recognition-list": PHOTO,
    "api:detection-list": PHOTO,
    "api:embedding-list": PHOTO,
    "api:comparison-list": TWO_PHOTOS,
    "api:search": VECTORS,
    "api:identity-samples": ENROLMENT,
    "api:import-list": IMPORT,
    "api:compreface-RecognizeView": PHOTO,
    "api:compreface-DetectView": PHOTO,
    "api:compreface-VerifyView": TWO_PHOTOS,
    "api:compreface-FacesView": PHOTO,
    "api:compreface-VerifyFaceView": PHOTO,
    "api:compreface-RecognizeEmbeddingsView": VECTORS,
    "api:compreface-VerifyEmbeddingsView": VECTORS,
    "api:compreface-VerifyTwoEmbeddingsView": VECTORS,
    "recognise": ENROLMENT,
    "add-faces": ENROLMENT,
    "add-photos": ENROLMENT,
    "imports": IMPORT,
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. limit: bytes its body may have. view: the class of the API's view; None for a page."""

    limit: int
    view: Any


def address_of(scope: Scope) -> Address:
    try:
        match = resolve(scope["path"])
    except Resolver404:
        return Address(SMALL, None)
    limit = LIMITS.get(match.view_name, SMALL) if scope["method"] == "POST" else SMALL
    return Address(limit, getattr(match.func, "cls", None))
