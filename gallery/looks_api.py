"""Who looked at a person, over REST. Only the gallery's owners may ask."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.models import Look
from accounts.roles import Role, Scope
from gallery.api import PROBLEMS
from gallery.compiled_reads import IDENTITY


class LookSerializer(serializers.ModelSerializer):
    kind = serializers.CharField(read_only=True, help_text="`person` or `picture`.")

    class Meta:
        model = Look
        fields = ["kind", "user_name", "api_key_prefix", "via", "ip", "count", "first_at", "last_at"]


class IdentityLooksView(ActorMixin, generics.GenericAPIView):
    queryset = Look.objects.none()
    serializer_class = LookSerializer
    read_scope = write_scope = Scope.MANAGE

    @extend_schema(
        summary="Who looked at a person, newest first",
        description="One entry for each user, key, address and hour. docs/privacy.md says what counts as a look.",
        responses={200: LookSerializer(many=True), **PROBLEMS},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        person = self.find_visible(IDENTITY, pk)
        self.actor.require_role(person.gallery, Role.OWNER)
        page = self.paginate_queryset(Look.objects.at_people([person.pk]))
        return self.get_paginated_response(LookSerializer(page, many=True).data)
