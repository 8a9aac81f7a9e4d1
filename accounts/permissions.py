"""The API's permission: signed in, and the key's scope covers the view. Roles are checked by querysets and services."""

from rest_framework.permissions import SAFE_METHODS, BasePermission

from accounts.actor import Actor, Via
from accounts.roles import Scope


class HasScope(BasePermission):
    """A view names the scope of its writes in `write_scope`; reads need READ, or what `read_scope` says."""

    def has_permission(self, request, view):
        if not (request.user and request.user.is_authenticated):
            return False
        scope = getattr(view, "read_scope", Scope.READ) if request.method in SAFE_METHODS else view.write_scope
        Actor.from_request(request, Via.API).require_scope(scope)
        return True
