"""The signed-in user, over REST."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actor import Actor, Via
from accounts.roles import Role


class MembershipSchema(serializers.Serializer):
    gallery = serializers.SlugField()
    role = serializers.ChoiceField(choices=[role.name.lower() for role in Role])


class MeSchema(serializers.Serializer):
    username = serializers.CharField()
    is_operator = serializers.BooleanField()
    scopes = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Of the API key in use; null without one."
    )
    memberships = MembershipSchema(many=True)


class MeView(APIView):
    @extend_schema(summary="Who you are, and your galleries", responses=MeSchema)
    def get(self, request):
        actor = Actor.from_request(request, Via.API)
        memberships = request.user.memberships.visible_to(actor).select_related("gallery")
        return Response(
            {
                "username": request.user.username,
                "is_operator": request.user.is_superuser,
                "scopes": request.auth.scopes if request.auth else None,
                "memberships": [{"gallery": m.gallery.slug, "role": Role(m.role).name.lower()} for m in memberships],
            }
        )
