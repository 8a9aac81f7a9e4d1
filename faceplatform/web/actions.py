"""Which HTTP method calls which action of a viewset, for the addresses of the API."""

COLLECTION = {"get": "list", "post": "create"}
ITEM = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
READ_AND_DELETE = {"get": "retrieve", "delete": "destroy"}
