"""Which HTTP method calls which action of a viewset, for the URLs of the API."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rest_framework.decorators import ViewSetAction  # exists only in the stubs


COLLECTION: "dict[str, str | ViewSetAction]" = {"get": "list", "post": "create"}
ITEM: "dict[str, str | ViewSetAction]" = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
READ_AND_DELETE: "dict[str, str | ViewSetAction]" = {"get": "retrieve", "delete": "destroy"}
