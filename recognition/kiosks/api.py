"""Kiosks over REST, for the owners of their gallery. What a kiosk's own browser does is in views.py."""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.web.api import ProblemSerializer
from gallery.api import PROBLEMS, validated
from recognition.cameras.models import Camera
from recognition.cameras.services import require_owner
from recognition.kiosks import services
from recognition.kiosks.models import Kiosk

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class KioskInput(serializers.Serializer):
    name = serializers.CharField(max_length=100, help_text="What the device is called.")
    greets_strangers = serializers.BooleanField(
        required=False, default=False, help_text="Whether it says “not recognised” to who is not known."
    )


class KioskSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    camera = serializers.UUIDField()
    name = serializers.CharField()
    greets_strangers = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    code_expires_at = serializers.DateTimeField(help_text="When its code is of no use any more.")
    started_at = serializers.DateTimeField(allow_null=True, help_text="When its code was used; null before.")
    last_used_at = serializers.DateTimeField(allow_null=True)


class NewKioskSchema(KioskSchema):
    code = serializers.CharField(
        allow_null=True, help_text="To be entered at /kiosk on the device, once. Null if the call was repeated."
    )


@extend_schema_view(
    list=extend_schema(
        summary="The kiosks of a camera", responses={200: KioskSchema(many=True), **PROBLEMS}, parameters=[]
    ),
    create=extend_schema(
        summary="Make a kiosk",
        description="Of a camera of the kind webcam. The answer holds the code for its browser, which is shown only once.",
        request=KioskInput,
        responses={201: NewKioskSchema, **CONFLICTS},
    ),
    destroy=extend_schema(
        summary="End a kiosk", description="Its browser is refused at once.", responses={204: None, **PROBLEMS}
    ),
)
class KioskViewSet(ActorMixin, viewsets.GenericViewSet):
    """Browsers at doors."""

    queryset = Kiosk.objects.none()
    serializer_class = KioskSchema
    read_scope = write_scope = Scope.MANAGE
    shown_once = ("code",)

    def list(self, request, pk):
        rows = Kiosk.objects.filter(camera=self._owned(pk)).select_related("gallery")
        page = self.paginate_queryset(rows) or []
        return self.get_paginated_response([kiosk_as_dict(row) for row in page])

    def create(self, request, pk):
        values = validated(KioskInput, request)
        kiosk, code = services.make_kiosk(actor=self.actor, camera=self._owned(pk), **values)
        return Response(kiosk_as_dict(kiosk) | {"code": code}, status=201)

    def destroy(self, request, pk):
        kiosk = self.get_visible(Kiosk.objects.select_related("gallery"), pk=pk)
        services.end_kiosk(actor=self.actor, kiosk=kiosk)
        return Response(status=204)

    def _owned(self, pk) -> Camera:
        camera = self.get_visible(Camera.objects.select_related("gallery"), pk=pk)
        require_owner(self.actor, camera.gallery)
        return camera


def kiosk_as_dict(kiosk: Kiosk) -> dict:
    names = ("name", "greets_strangers", "created_at", "code_expires_at", "started_at", "last_used_at")
    ids = {"id": str(kiosk.pk), "gallery": kiosk.gallery.slug, "camera": str(kiosk.camera_id)}
    return ids | {name: getattr(kiosk, name) for name in names}
