"""API keys over REST: a user's own; for an operator, everybody's."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.galleries import galleries
from accounts.keys import services
from accounts.models import ApiKey
from accounts.roles import Scope
from faceplatform.errors import NotFound
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.choices import MultipleChoiceField
from faceplatform.web.names import NameField

PROBLEMS = dict.fromkeys((400, 401, 403, 404), ProblemSerializer)


class ApiKeySerializer(serializers.ModelSerializer):
    user = serializers.CharField(source="user.username")
    gallery = serializers.SlugField(
        source="gallery.slug", allow_null=True, default=None, help_text="Null: all galleries of the user."
    )
    state = serializers.ChoiceField(choices=["valid", "expired", "revoked"])

    class Meta:
        model = ApiKey
        fields = [
            "id",
            "name",
            "prefix",
            "user",
            "gallery",
            "scopes",
            "state",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
        ]


class NewApiKeySerializer(ApiKeySerializer):
    key = serializers.CharField(allow_null=True, help_text="Shown only once; null if the answer is repeated.")

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "key"]


class ApiKeyInput(serializers.Serializer):
    name = NameField(max_length=100, required=False, default="", allow_blank=True)
    gallery = serializers.SlugField(
        required=False, allow_null=True, default=None, help_text="Limits the key to this gallery."
    )
    scopes = MultipleChoiceField(choices=Scope.choices, allow_empty=False)
    days = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=3650,
        help_text="Days until it expires; if left out, never.",
    )


class RotationInput(serializers.Serializer):
    grace_hours = serializers.IntegerField(
        default=24, min_value=0, max_value=services.LONGEST_GRACE, help_text="Hours for which the old key stays valid."
    )


@extend_schema_view(
    list=extend_schema(summary="Your API keys", description="An operator sees everybody's."),
    retrieve=extend_schema(summary="An API key", responses={200: ApiKeySerializer, **PROBLEMS}),
    destroy=extend_schema(
        summary="Revoke an API key", description="It ends at once, and stays in the list.", responses={204: None, **PROBLEMS}
    ),
)  # fmt: skip
class ApiKeyViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = ApiKey.objects.none()
    serializer_class = ApiKeySerializer
    read_scope = write_scope = Scope.MANAGE
    shown_once = ("key",)
    asks_again = ("POST",)

    def get_queryset(self):
        return ApiKey.objects.visible_to(self.actor).select_related("user", "gallery")

    def retrieve(self, request, pk):
        return Response(ApiKeySerializer(self._key(pk)).data)

    @extend_schema(
        summary="Create an API key for yourself",
        description="The answer contains the key. It is shown only once; only its hash is stored.",
        request=ApiKeyInput,
        responses={201: NewApiKeySerializer, **PROBLEMS},
    )
    def create(self, request):
        values = _validated(ApiKeyInput, request)
        slug = values.pop("gallery")
        gallery = self.get_visible(galleries(), slug=slug) if slug else None
        scopes = sorted(values.pop("scopes"))
        row, key = services.create_api_key(
            actor=self.actor, user=request.user, gallery=gallery, scopes=scopes, **values
        )
        return _created(row, key)

    def destroy(self, request, pk):
        services.revoke_api_key(actor=self.actor, api_key=self._key(pk))
        return Response(status=204)

    @extend_schema(
        summary="Rotate an API key",
        description="Returns a new key like the old one, which stays valid for some hours so that you can change over.",
        request=RotationInput,
        responses={201: NewApiKeySerializer, **PROBLEMS, 409: ProblemSerializer},
    )
    def rotate(self, request, pk):
        values = _validated(RotationInput, request)
        return _created(*services.rotate_api_key(actor=self.actor, api_key=self._key(pk), **values))

    def _key(self, pk) -> ApiKey:
        key = self.get_queryset().filter(pk=pk).first()
        if key is None:
            raise NotFound("There is no such API key, or it belongs to another user.")
        return key


def _created(row: ApiKey, key: str) -> Response:
    row.refresh_from_db()
    return Response(ApiKeySerializer(row).data | {"key": key}, status=201)


def _validated(serializer_class, request) -> dict:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data
