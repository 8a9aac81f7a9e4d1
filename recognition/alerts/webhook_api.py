"""Webhook endpoints and what was sent to them, over REST. For owners alone."""

from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.filters import Filter, filtered, list_parameters
from gallery.api import PROBLEMS, validated
from gallery.models import Gallery
from recognition.alerts import schema, services
from recognition.alerts.models import DeliveryStatus, WebhookDelivery, WebhookEndpoint
from recognition.alerts.representation import delivery_as_dict, endpoint_as_dict

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}
GALLERY = Filter("gallery", "gallery__slug", "Only this gallery (slug).")
FILTERS = [
    GALLERY,
    Filter("endpoint", "endpoint", "Only those to this endpoint (id).", UUID),
    Filter("status", "status", "Only those in this state.", choices=DeliveryStatus.values),
]


@extend_schema_view(
    list=extend_schema(
        summary="The webhook endpoints of galleries that you own",
        parameters=list_parameters([GALLERY]),
        responses=schema.EndpointSchema(many=True),
    ),
    retrieve=extend_schema(summary="A webhook endpoint", responses={200: schema.EndpointSchema, **PROBLEMS}),
    create=extend_schema(
        summary="Add a webhook endpoint",
        description="The answer holds the secret that signs its messages. It is shown only once.",
        request=schema.EndpointInput,
        responses={201: schema.NewEndpointSchema, **CONFLICTS},
    ),
    partial_update=extend_schema(
        summary="Switch a webhook endpoint on or off, or choose what it is told",
        request=schema.EndpointChange,
        responses={200: schema.EndpointSchema, **PROBLEMS},
    ),
    destroy=extend_schema(summary="Delete a webhook endpoint with its deliveries", responses={204: None, **PROBLEMS}),
)
class EndpointViewSet(ActorMixin, viewsets.GenericViewSet):
    """Addresses that are told alerts."""

    queryset = WebhookEndpoint.objects.none()
    serializer_class = schema.EndpointSchema
    read_scope = write_scope = Scope.MANAGE
    shown_once = ("secret",)
    asks_again = ("POST",)

    def list(self, request):
        rows = WebhookEndpoint.objects.visible_to(self.actor).select_related("gallery")
        page = self.paginate_queryset(filtered(rows, request.query_params, [GALLERY])) or []
        return self.get_paginated_response([endpoint_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        return Response(endpoint_as_dict(self._endpoint(pk)))

    def create(self, request):
        values = validated(schema.EndpointInput, request)
        gallery = self.get_visible(Gallery.objects.all(), slug=values.pop("gallery"))
        values["kinds"] = sorted(values.get("kinds", ()))
        endpoint, secret = services.create_endpoint(actor=self.actor, gallery=gallery, **values)
        location = {"Location": reverse("api:webhook-endpoint-detail", args=[endpoint.pk])}
        return self._with_secret(endpoint.pk, secret, headers=location)

    def partial_update(self, request, pk):
        endpoint, values = self._endpoint(pk), validated(schema.EndpointChange, request)
        if "kinds" in values:
            services.choose_kinds(actor=self.actor, endpoint=endpoint, kinds=sorted(values["kinds"]))
        if "enabled" in values:
            services.switch_endpoint(actor=self.actor, endpoint=endpoint, enabled=values["enabled"])
        return self.retrieve(request, pk)

    def destroy(self, request, pk):
        services.delete_endpoint(actor=self.actor, endpoint=self._endpoint(pk))
        return Response(status=204)

    @extend_schema(
        summary="Replace the secret of a webhook endpoint",
        description="The one before signs too for a day, so that you can change over.",
        request=None,
        responses={201: schema.NewEndpointSchema, **PROBLEMS},
    )
    def rotate(self, request, pk):
        return self._with_secret(pk, services.rotate_secret(actor=self.actor, endpoint=self._endpoint(pk)))

    @extend_schema(
        summary="Send a test to a webhook endpoint",
        description="A message of the type `webhook.test`. The delivery says what became of it.",
        request=None,
        responses={202: schema.DeliverySchema, **PROBLEMS},
    )
    def test(self, request, pk):
        delivery = services.send_test(actor=self.actor, endpoint=self._endpoint(pk))
        return accepted(self, delivery)

    def _endpoint(self, pk) -> WebhookEndpoint:
        return self.get_visible(WebhookEndpoint.objects.select_related("gallery"), pk=pk)

    def _with_secret(self, pk, secret: str, **options) -> Response:
        return Response(endpoint_as_dict(self._endpoint(pk)) | {"secret": secret}, status=201, **options)


@extend_schema_view(
    list=extend_schema(
        summary="What was sent to webhook endpoints, newest first",
        parameters=list_parameters(FILTERS),
        responses=schema.DeliverySchema(many=True),
    ),
    retrieve=extend_schema(
        summary="A message and the attempts to deliver it", responses={200: schema.DeliverySchema, **PROBLEMS}
    ),
)
class DeliveryViewSet(ActorMixin, viewsets.GenericViewSet):
    """Each with all attempts to deliver it."""

    queryset = WebhookDelivery.objects.none()
    serializer_class = schema.DeliverySchema
    read_scope = write_scope = Scope.MANAGE

    def list(self, request):
        rows = WebhookDelivery.objects.visible_to(self.actor).with_tries()
        page = self.paginate_queryset(filtered(rows, request.query_params, FILTERS)) or []
        return self.get_paginated_response([delivery_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        return Response(delivery_as_dict(self._delivery(pk)))

    @extend_schema(
        summary="Send a message again",
        description="With the same id and bytes. 409 while it still waits.",
        request=None,
        responses={202: schema.DeliverySchema, **CONFLICTS},
    )
    def replay(self, request, pk):
        return accepted(self, services.replay(actor=self.actor, delivery=self._delivery(pk)))

    def _delivery(self, pk) -> WebhookDelivery:
        rows = WebhookDelivery.objects.select_related("endpoint__gallery").with_tries()
        return self.get_visible(rows, pk=pk)


def accepted(view: ActorMixin, delivery: WebhookDelivery) -> Response:
    row = view.get_visible(WebhookDelivery.objects.with_tries(), pk=delivery.pk)
    location = {"Location": reverse("api:webhook-delivery-detail", args=[row.pk])}
    return Response(delivery_as_dict(row), status=202, headers=location)
