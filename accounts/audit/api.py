"""The audit over REST."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets

from accounts.actor import Actor, Via
from accounts.models import AuditEvent
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_time

FILTERS = [
    Filter("gallery", "gallery_slug", "Only this gallery (slug)."),
    Filter("action", "action", "Only this action, such as identity.created."),
    Filter("user", "user_name", "Only acts of this user."),
    Filter("object", "object_id", "Only acts on the person, sample, … with this id."),
    Filter("request_id", "request_id", "Only acts of the call with this X-Request-ID."),
    Filter("after", "at__gt", "Only acts after this time.", parse_time),
    Filter("before", "at__lt", "Only acts before this time.", parse_time),
]
ORDERINGS = {"at": "id"}


class AuditEventSerializer(serializers.ModelSerializer):
    can_be_undone = serializers.BooleanField(read_only=True, help_text="Whether POST /undo/{id} may undo it.")

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "at",
            "action",
            "user_name",
            "api_key_prefix",
            "via",
            "ip",
            "request_id",
            "gallery_slug",
            "object_type",
            "object_id",
            "object_name",
            "details",
            "redacted_by",
            "can_be_undone",
        ]


@extend_schema_view(
    list=extend_schema(
        summary="The audit, newest first",
        description="An operator sees all events, an owner those of their galleries, everybody those of their own acts.",
        parameters=[
            OpenApiParameter(
                "search", str, description="Only events whose action, user, object or gallery contains this."
            ),
            *list_parameters(FILTERS, ORDERINGS),
        ],
    )
)
class AuditEventViewSet(mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = AuditEvent.objects.none()
    serializer_class = AuditEventSerializer
    write_scope = None
    orderings = ORDERINGS

    def get_queryset(self):
        query = self.request.query_params
        events = AuditEvent.objects.visible_to(Actor.from_request(self.request, Via.API)).with_undone()
        return filtered(events, query, FILTERS).matching(query.get("search", ""))
