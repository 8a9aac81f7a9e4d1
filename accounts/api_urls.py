from django.urls import path

from accounts.audit.api import AuditEventViewSet
from accounts.keys.api import ApiKeyViewSet
from accounts.users.api import MeView
from faceplatform.web.actions import COLLECTION, READ_AND_DELETE

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("api-keys", ApiKeyViewSet.as_view(COLLECTION), name="api-key-list"),
    path("api-keys/<uuid:pk>", ApiKeyViewSet.as_view(READ_AND_DELETE), name="api-key-detail"),
    path("api-keys/<uuid:pk>/rotate", ApiKeyViewSet.as_view({"post": "rotate"}), name="api-key-rotate"),
    path("audit-events", AuditEventViewSet.as_view({"get": "list"}), name="audit-event-list"),
]
