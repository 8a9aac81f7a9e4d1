"""Who a name typed at the sign-in means, and whether the password is theirs. Hashing and timing are allauth's."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.userkit import filter_users_by_email, get_user_by_username
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User


def find_user(login: str) -> User | None:
    """The one account that `login` means: by its name as it is written, by its name in any case, by its e-mail address."""
    login = login.strip().replace("\0", "")
    exact = User.objects.filter(username=login).first() if login else None
    if exact is not None or not login:
        return exact
    users = filter_users_by_email(login) if "@" in login else []
    user: User | None = get_user_by_username(login) or (users[0] if len(users) == 1 else None)
    return user


class Backend(AuthenticationBackend):
    """allauth's, which would find nobody where two names differ in case alone."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        """Raises PermissionDenied for a wrong password: no other backend is to hash it again."""
        user: User | None = super().authenticate(request, **credentials)
        if user is None and credentials.get("password"):
            raise PermissionDenied
        return user

    def _authenticate_by_username(self, username: str, password: str) -> User | None:
        exact = User.objects.filter(username=username).first()
        user: User | None = (
            self._check_password(exact, password) if exact else super()._authenticate_by_username(username, password)
        )
        return user
