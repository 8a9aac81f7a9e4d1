"""Cameras over REST: their settings, their live pictures, and the pictures that browsers post for webcams."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import NoReturn
from uuid import UUID

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import looks
from accounts.actor import Actor
from accounts.api_views import ActorMixin
from accounts.callers import is_known
from accounts.models import User
from accounts.roles import Role, Scope
from faceplatform.errors import Conflict, InvalidInput, NotFound
from faceplatform.web.api import PREFER, ProblemSerializer, final_answer, seconds_to_wait
from faceplatform.web.choices import ChoiceField
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_bool
from faceplatform.web.json_field import JSONField
from faceplatform.web.later import Later
from faceplatform.web.parsers import JpegParser
from gallery.api import PROBLEMS, picture, validated
from gallery.models import Gallery
from recognition.cameras import live, services
from recognition.cameras.models import Camera, CameraKind, CameraRole, CameraStatus
from recognition.cameras.representation import camera_as_dict
from recognition.cameras.trying import WAIT_SECONDS, Attempt

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}
PICTURE = {(200, "image/jpeg"): OpenApiTypes.BINARY}
SEQ = "X-Picture"
FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("kind", "kind", "Only this kind.", choices=CameraKind.values),
    Filter("enabled", "enabled", "Only cameras that are switched on (true) or off (false).", parse_bool),
]
AFTER = OpenApiParameter(
    "after",
    int,
    description=f"The number of the picture you have, from the header {SEQ}. The answer is then another picture, or 204 if none "
    "comes within the seconds to wait.",
)


class CameraInput(serializers.ModelSerializer):
    serializer_choice_field = ChoiceField

    gallery = serializers.SlugField(source="gallery.slug", help_text="The gallery's slug.")
    slug = serializers.SlugField(max_length=50, required=False, help_text="Derived from the name if left out.")
    user = serializers.CharField(required=False, allow_blank=True, max_length=services.LONGEST_CREDENTIAL)
    password = serializers.CharField(
        required=False,
        allow_blank=True,
        write_only=True,
        trim_whitespace=False,
        max_length=services.LONGEST_CREDENTIAL,
        help_text="Kept encrypted and never told. When the address leads to another machine, send it again.",
    )
    masks = JSONField(
        required=False, help_text="Polygons [[x, y], …] in shares of the picture; what is inside is not looked at."
    )

    class Meta:
        model = Camera
        fields = ["gallery", *services.CAMERA_FIELDS, "user", "password"]
        validators = ()  # the service validates


class CameraStateSchema(serializers.Serializer):
    status = serializers.ChoiceField(CameraStatus.choices)
    text = serializers.CharField(help_text="The status in words.")
    detail = serializers.CharField(help_text="Why, or how well, as a sentence; may be empty.")
    since = serializers.DateTimeField(allow_null=True)
    last_frame_at = serializers.DateTimeField(allow_null=True)
    width = serializers.IntegerField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    fps = serializers.FloatField(allow_null=True, help_text="Pictures a second that arrive.")
    analysed_fps = serializers.FloatField(allow_null=True, help_text="Pictures a second that are searched for faces.")
    drops = serializers.IntegerField()
    reconnects = serializers.IntegerField()


class CameraSchema(serializers.Serializer):
    gallery = serializers.SlugField()
    id = serializers.UUIDField()
    slug = serializers.SlugField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(CameraKind.choices)
    enabled = serializers.BooleanField()
    role = serializers.ChoiceField(CameraRole.choices)
    fps = serializers.FloatField(help_text="Pictures a second that are searched for faces, at most.")
    min_face_px = serializers.IntegerField()
    min_frames = serializers.IntegerField(help_text="How many usable faces a name needs.")
    masks = JSONField()
    live = serializers.BooleanField(help_text="Whether its picture can be watched.")
    repeats = serializers.BooleanField()
    retention_days = serializers.IntegerField(allow_null=True)
    unknown_retention_days = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    address = serializers.CharField(allow_null=True, help_text="Told to the gallery's owners alone.")
    user = serializers.CharField(allow_null=True, help_text="Told to the gallery's owners alone.")
    has_password = serializers.BooleanField()
    state = CameraStateSchema()
    picture = serializers.IntegerField(allow_null=True, help_text="The number of its live picture, if there is one.")


class TryInput(serializers.Serializer):
    gallery = serializers.SlugField(help_text="The gallery's slug.")
    kind = ChoiceField(CameraKind.choices)
    address = serializers.CharField(max_length=1000)
    user = serializers.CharField(required=False, allow_blank=True)
    password = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    camera = serializers.UUIDField(required=False, help_text="Use this camera's password if none is sent.")


@extend_schema_view(
    list=extend_schema(
        summary="The cameras of your galleries", parameters=list_parameters(FILTERS), responses=CameraSchema(many=True)
    ),
    retrieve=extend_schema(summary="A camera and what it does now", responses={200: CameraSchema, **PROBLEMS}),
    create=extend_schema(
        summary="Add a camera",
        description="A user and a password inside the address are taken out of it and kept encrypted.",
        request=CameraInput,
        responses={201: CameraSchema, **CONFLICTS},
    ),
    partial_update=extend_schema(
        summary="Change a camera", request=CameraInput, responses={200: CameraSchema, **CONFLICTS}
    ),
    destroy=extend_schema(summary="Delete a camera with all its sightings", responses={204: None, **CONFLICTS}),
)
class CameraViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Camera.objects.none()
    serializer_class = CameraSchema
    write_scope = Scope.MANAGE

    def list(self, request):
        rows = Camera.objects.visible_to(self.actor).with_state().with_picture()
        page = self.paginate_queryset(filtered(rows, request.query_params, FILTERS)) or []
        owned = set(Gallery.objects.owned_by(self.actor).values_list("pk", flat=True))
        return self.get_paginated_response(
            [camera_as_dict(row, is_owner=self._is_told(row.gallery_id in owned)) for row in page]
        )

    def retrieve(self, request, pk):
        return self._answer(pk)

    def create(self, request):
        values = validated(CameraInput, request)
        gallery = self.get_visible(Gallery.objects.all(), slug=values.pop("gallery")["slug"])
        camera = services.create_camera(actor=self.actor, gallery=gallery, **values)
        location = {"Location": reverse("api:camera-detail", args=[camera.pk])}
        return self._answer(camera.pk, status=201, headers=location)

    def partial_update(self, request, pk):
        camera = self._camera(pk)
        values = validated(CameraInput, request, partial=True)
        values.pop("gallery", None)
        services.update_camera(actor=self.actor, camera=camera, **values)
        return self._answer(pk)

    def destroy(self, request, pk):
        services.delete_camera(actor=self.actor, camera=self._camera(pk))
        return Response(status=204)

    def _camera(self, pk) -> Camera:
        return self.get_visible(Camera.objects.with_state().with_picture(), pk=pk)

    def _answer(self, pk, **options) -> Response:
        camera = self._camera(pk)
        is_owner = self._is_told(self.actor.role_in(camera.gallery) == Role.OWNER)
        return Response(camera_as_dict(camera, is_owner=is_owner), **options)

    def _is_told(self, is_owner: bool) -> bool:
        """A key that may only read is not told where cameras are."""
        key = self.actor.api_key
        return is_owner and (key is None or Scope.MANAGE in key.scopes)


class LaterResponse(HttpResponse):
    """An answer that waits; see faceplatform/web/later.py."""

    later: Later | None = None


def respond_later(view: APIView, later: Later) -> LaterResponse:
    response = LaterResponse(status=202)
    response.later = replace(later, answer=partial(final_answer, view, later.answer))
    return response


class FrameView(ActorMixin, APIView):
    """The live picture, for pages and for whoever looks now and then."""

    write_scope = None
    answers_with = ("image/jpeg",)

    @extend_schema(
        summary="A camera's newest picture",
        description=f"With boxes and names drawn into it. The header {SEQ} has its number.",
        parameters=[AFTER, PREFER],
        responses={**PICTURE, 204: None, **CONFLICTS},
    )
    def get(self, request, pk):
        camera = watchable(self, pk)
        live.note_watched(camera.pk)
        if "after" not in request.query_params:
            return picture_response(live.newer_picture(camera.pk)) or _no_picture()
        seq, seconds = _number(request.query_params["after"]), seconds_to_wait(request)
        found = picture_response(live.newer_picture(camera.pk, seq))
        if found or not seconds:
            return found or HttpResponse(status=204)
        return respond_later(
            self,
            Later(
                lambda: live.arrival_of(camera.pk, seq),
                seconds,
                lambda: picture_response(live.newer_picture(camera.pk, seq)) or HttpResponse(status=204),
            ),
        )


class LiveView(ActorMixin, APIView):
    write_scope = None
    answers_with = (live.CONTENT_TYPE.partition(";")[0],)

    @extend_schema(
        summary="A camera's live picture, as MJPEG",
        description="multipart/x-mixed-replace: each part is a JPEG with boxes and names. Ends after ten minutes: ask again.",
        responses={(200, "multipart/x-mixed-replace"): OpenApiTypes.BINARY, **CONFLICTS},
    )
    def get(self, request, pk):
        camera = watchable(self, pk)
        live.require_room()
        parts: AsyncIterator[bytes] | Iterator[bytes]
        if isinstance(request._request, ASGIRequest):
            parts = live.watch(camera.pk, still_may_watch(request, self.actor, camera.pk))
        else:
            parts = live.once(camera.pk)
        return StreamingHttpResponse(parts, content_type=live.CONTENT_TYPE)


class TryCameraView(ActorMixin, APIView):
    write_scope = Scope.MANAGE
    happens_once = False  # nothing is written
    answers_with = ("image/jpeg",)

    @extend_schema(
        summary="Try a camera before it is added",
        description="Reads one picture. 422 says why there is none; nothing is saved.",
        request=TryInput,
        responses={**PICTURE, **PROBLEMS, 422: ProblemSerializer},
    )
    def post(self, request):
        values = validated(TryInput, request)
        gallery = self.get_visible(Gallery.objects.all(), slug=values.pop("gallery"))
        camera = values.pop("camera", None)
        if camera is not None:
            camera = self.get_visible(Camera.objects.filter(gallery=gallery), pk=camera)
        source = services.source_to_try(actor=self.actor, gallery=gallery, camera=camera, **values)
        attempt = Attempt(source)
        return respond_later(self, Later(lambda: attempt, WAIT_SECONDS, lambda: picture(attempt.picture())))


class PostedFrameView(ActorMixin, APIView):
    write_scope = Scope.RECOGNIZE
    happens_once = False  # the next picture replaces it in any case
    parser_classes = [JpegParser]

    @extend_schema(
        summary="Post a picture for a webcam",
        description="At most three a second, each one JPEG of at most 1 MB and 1920 x 1080. Needs the role curator.",
        request={"image/jpeg": OpenApiTypes.BINARY},
        responses={204: None, **CONFLICTS, 413: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request, pk):
        camera = self.get_visible(Camera.objects.select_related("gallery"), pk=pk)
        services.post_frame(actor=self.actor, camera=camera, jpeg=request.data or b"")
        return HttpResponse(status=204)


def watchable(view: ActorMixin, pk: UUID) -> Camera:
    """The camera. Raises NotFound, and Conflict (not_watchable) if its picture is not to be watched."""
    camera = view.get_visible(Camera.objects.select_related("gallery"), pk=pk)
    if not camera.live:
        raise Conflict("The live picture of this camera is switched off in its settings.", code="not_watchable")
    if not looks.in_a_page(view.request):
        looks.seen(view.request, looks.Kind.PICTURE, gallery=camera.gallery, object_id=pk)
    return camera


def still_may_watch(request: Request, actor: Actor, camera_id: UUID) -> Callable[[], bool]:
    """Asks the database again, as if the request came now: whether the session or key holds, and what its user may see."""
    headers = {
        name.encode(): request.META.get(f"HTTP_{name.upper().replace('-', '_')}", "").encode("latin-1", "replace")
        for name in ("authorization", "x-api-key", "cookie")
    }

    def may_watch() -> bool:
        known = is_known(headers)
        user = User.objects.filter(pk=known).first() if known else None
        rows = Camera.objects.filter(pk=camera_id, live=True)
        return user is not None and rows.visible_to(Actor(user=user, api_key=actor.api_key)).exists()

    return may_watch


def picture_response(found: live.LivePicture | None) -> HttpResponse | None:
    if found is None:
        return None
    response = picture(found.jpeg)
    response[SEQ] = str(found.seq)
    return response


def _no_picture() -> NoReturn:
    raise NotFound("The camera has no picture yet.", code="no_picture")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidInput(f"after must be a number from the header {SEQ}.")
    return int(text)
