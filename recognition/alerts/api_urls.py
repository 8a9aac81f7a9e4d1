from django.urls import path

from faceplatform.web.actions import COLLECTION, ITEM
from recognition.alerts.api import AlertViewSet, RuleViewSet
from recognition.alerts.webhook_api import DeliveryViewSet, EndpointViewSet

JPEG = ("image/jpeg",)

urlpatterns = [
    path("alerts", AlertViewSet.as_view({"get": "list"}), name="alert-list"),
    path("alerts/seen", AlertViewSet.as_view({"post": "see_many"}), name="alerts-seen"),
    path("alerts/<uuid:pk>", AlertViewSet.as_view({"get": "retrieve"}), name="alert-detail"),
    path("alerts/<uuid:pk>/seen", AlertViewSet.as_view({"post": "see"}), name="alert-seen"),
    path(
        "alerts/<uuid:pk>/picture.jpg",
        AlertViewSet.as_view({"get": "picture"}, answers_with=JPEG),
        name="alert-picture",
    ),
    path("alert-rules", RuleViewSet.as_view(COLLECTION), name="alert-rule-list"),
    path("alert-rules/<uuid:pk>", RuleViewSet.as_view(ITEM), name="alert-rule-detail"),
    path("webhook-endpoints", EndpointViewSet.as_view(COLLECTION), name="webhook-endpoint-list"),
    path("webhook-endpoints/<uuid:pk>", EndpointViewSet.as_view(ITEM), name="webhook-endpoint-detail"),
    path(
        "webhook-endpoints/<uuid:pk>/rotate-secret",
        EndpointViewSet.as_view({"post": "rotate"}),
        name="webhook-endpoint-rotate",
    ),
    path("webhook-endpoints/<uuid:pk>/test", EndpointViewSet.as_view({"post": "test"}), name="webhook-endpoint-test"),
    path("webhook-deliveries", DeliveryViewSet.as_view({"get": "list"}), name="webhook-delivery-list"),
    path("webhook-deliveries/<uuid:pk>", DeliveryViewSet.as_view({"get": "retrieve"}), name="webhook-delivery-detail"),
    path(
        "webhook-deliveries/<uuid:pk>/replay",
        DeliveryViewSet.as_view({"post": "replay"}),
        name="webhook-delivery-replay",
    ),
]
