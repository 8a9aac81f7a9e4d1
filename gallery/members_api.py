"""The members of a gallery over REST. Only the gallery's owners may use it."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.models import Membership, User
from accounts.roles import Role, Scope
from accounts.users import services
from faceplatform.errors import NotFound
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.choices import ChoiceField
from gallery.api import PROBLEMS
from gallery.models import Gallery

ROLES = {role.name.lower(): role for role in Role}


class MemberSerializer(serializers.ModelSerializer):
    user = serializers.CharField(source="user.username", read_only=True)
    role = serializers.SerializerMethodField()
    since = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Membership
        fields = ["user", "role", "since"]

    def get_role(self, membership) -> str:
        return Role(membership.role).name.lower()


class RoleInput(serializers.Serializer):
    role = ChoiceField(choices=list(ROLES))


class MemberViewSet(ActorMixin, viewsets.GenericViewSet):
    queryset = Membership.objects.none()
    serializer_class = MemberSerializer
    read_scope = write_scope = Scope.MANAGE
    asks_again = ("PUT", "DELETE")

    @extend_schema(summary="List a gallery's members", responses={200: MemberSerializer(many=True), **PROBLEMS})
    def list(self, request, slug):
        page = self.paginate_queryset(self._members(slug))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

    @extend_schema(
        summary="Add a member, or change their role",
        request=RoleInput,
        responses={200: MemberSerializer, **PROBLEMS, 409: ProblemSerializer},
    )
    def update(self, request, slug, username):
        gallery = self._gallery(slug)
        serializer = RoleInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise NotFound(f"There is no user “{username}”. Ask an operator to create the account first.")
        role = ROLES[serializer.validated_data["role"]]
        return Response(
            MemberSerializer(services.set_membership(actor=self.actor, gallery=gallery, user=user, role=role)).data
        )

    @extend_schema(
        summary="Remove a member", responses={204: None, **PROBLEMS, 409: ProblemSerializer}
    )  # fmt: skip
    def destroy(self, request, slug, username):
        membership = self._members(slug).filter(user__username=username).first()
        if membership is None:
            raise NotFound(f"“{username}” is not a member of this gallery.")
        services.remove_membership(actor=self.actor, membership=membership)
        return Response(status=204)

    def _gallery(self, slug) -> Gallery:
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        self.actor.require_role(gallery, Role.OWNER)
        return gallery

    def _members(self, slug):
        return Membership.objects.filter(gallery=self._gallery(slug)).select_related("user", "gallery")
