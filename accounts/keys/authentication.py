"""`Authorization: Bearer <key>` for API clients."""

from datetime import timedelta

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts.keys.services import hash_key
from accounts.models import ApiKey, User
from faceplatform.database.compiled import Compiled, Given

LAST_USED_RESOLUTION = timedelta(minutes=1)
USABLE_KEY = Compiled(
    lambda: ApiKey.objects.usable_at(Given("now")).filter(key_hash=Given("key_hash")).select_related("user").order_by()
)


class ApiKeyAuthentication(BaseAuthentication):
    """Sets request.user to the key's user, and request.auth to the ApiKey."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        key = self.key_of(request)
        if key is None:
            return None
        now = timezone.now()
        api_key = USABLE_KEY.first(now=now, key_hash=hash_key(key))
        if api_key is None or not api_key.user.is_active:
            raise AuthenticationFailed(
                "This API key is unknown, expired or revoked. Use another one, or create one under “API keys”."
            )
        if api_key.last_used_at is None or now - api_key.last_used_at > LAST_USED_RESOLUTION:
            ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=now)
        return api_key.user, api_key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def key_of(self, request: Request) -> str | None:
        """The key that the request carries; None if it carries none."""
        scheme, _, key = get_authorization_header(request).decode("latin-1").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else None
