"""Authentication by the header `x-api-key: <key>`, as CompreFace's clients send it."""

from rest_framework.request import Request

from accounts.keys.authentication import ApiKeyAuthentication
from faceplatform.errors import InvalidInput


class CompreFaceAuthentication(ApiKeyAuthentication):
    def key_of(self, request: Request) -> str:
        key = request.headers.get("x-api-key", "").strip()
        if not key:
            raise InvalidInput("Missing header: x-api-key", code="key_missing")
        return key
