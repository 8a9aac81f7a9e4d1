"""The API's permission: somebody is signed in, and the key's scopes cover the view. Services and querysets check roles."""

from typing import Any

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.actor import Actor, Via
from accounts.roles import Scope


class HasScope(BasePermission):
    """Writes need the scope in the view's `write_scope`; reads need the one in `read_scope`, READ if it has none."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        if request.method not in view.allowed_methods:
            raise MethodNotAllowed(str(request.method))
        scope = getattr(view, "read_scope", Scope.READ) if request.method in SAFE_METHODS else view.write_scope
        Actor.from_request(request, Via.API).require_scope(scope)
        return True
