"""Recognitions, enrolment and packs over REST. Thin: parse, call one service or queryset, answer."""

from django.urls import reverse
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import looks
from accounts.api_views import ActorMixin
from accounts.roles import Scope
from faceplatform.errors import NotFound
from faceplatform.web.api import PREFER, ProblemSerializer
from faceplatform.web.filters import Filter, filtered, list_parameters, parse_time
from faceplatform.web.multipart import MultiPartParser
from faceplatform.web.parsers import JSONParser
from gallery.api import PROBLEMS, SampleSerializer, picture, the_gallery
from gallery.compiled_reads import GALLERY
from gallery.models import Identity
from recognition.photos import services
from recognition.photos.compiled_reads import RECOGNITION
from recognition.photos.corrections import confirm_face, name_face
from recognition.photos.drawing import draw_kept_photo
from recognition.photos.installed_packs import installed_manifests, pack_as_dict
from recognition.photos.models import RecognitionFace, RecognitionRequest, Status
from recognition.photos.rejections import reject_identity
from recognition.photos.representation import enrolment_as_dict, recognition_as_dict
from recognition.photos.schema import (
    ConfirmFaceInput,
    EnrolmentInput,
    EnrolmentSchema,
    NameFaceInput,
    PackSchema,
    PacksSchema,
    RecognitionInput,
    RecognitionSchema,
    RejectInput,
)
from recognition.photos.services import Photo
from recognition.photos.waiting import QueuedResponse, WaitingMixin

REFUSED = dict.fromkeys((413, 422, 503), ProblemSerializer)
FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("status", "status", "Only those with this status.", choices=Status.values),
    Filter("created_after", "created_at__gt", "Only those submitted after this time.", parse_time),
    Filter("created_before", "created_at__lt", "Only those submitted before this time.", parse_time),
]
ORDERINGS = {"created_at": "id"}


@extend_schema_view(
    list=extend_schema(
        summary="Past recognitions",
        description="Newest first. Viewers see their own, curators all of their galleries.",
        parameters=list_parameters(FILTERS, ORDERINGS),
        responses=RecognitionSchema(many=True),
    ),
    retrieve=extend_schema(
        summary="A recognition",
        description="The people in it are shown as they are now: merged ones under their present name, deleted ones left out.",
        responses={200: RecognitionSchema, **PROBLEMS},
    ),
    destroy=extend_schema(
        summary="Delete a recognition",
        description="With its faces and its photo. Allowed to whoever asked for it, and to the gallery's curators.",
        responses={204: None, **PROBLEMS},
    ),
)
class RecognitionViewSet(WaitingMixin, ActorMixin, viewsets.GenericViewSet):
    queryset = RecognitionRequest.objects.none()
    serializer_class = RecognitionSchema
    parser_classes = [MultiPartParser, JSONParser]
    write_scope = Scope.RECOGNIZE
    orderings = ORDERINGS

    @property
    def read_scope(self):
        """A key that may recognise may also read; any other key needs the scope for reading."""
        key = self.actor.api_key
        return Scope.RECOGNIZE if key and Scope.RECOGNIZE in key.scopes else Scope.READ

    def list(self, request):
        rows = RecognitionRequest.objects.visible_to(self.actor).recognitions().with_results()
        page = self.paginate_queryset(filtered(rows, request.query_params, FILTERS)) or []
        looks.seen(request, looks.Kind.RECOGNITIONS, gallery=the_gallery(request, page))
        return self.get_paginated_response([recognition_as_dict(row) for row in page])

    def retrieve(self, request, pk):
        return Response(recognition_as_dict(self._seen(pk)))

    @extend_schema(
        summary="Who is in this photo?",
        description="201 with the answer, or 202 if it is not finished within the time to wait: then GET `Location`.",
        request={"multipart/form-data": RecognitionInput, "application/json": RecognitionInput},
        parameters=[PREFER],
        responses={201: RecognitionSchema, 202: RecognitionSchema, **PROBLEMS, **REFUSED},
    )
    def create(self, request):
        serializer = RecognitionInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.find_visible(GALLERY, values.pop("gallery"))
        photo = Photo(*values.pop("photo"))
        row = services.submit_recognition(actor=self.actor, gallery=gallery, photo=photo, **values)
        return self.answer_later([row.pk])

    def answer(self, ids):
        [pk] = ids
        row = self._recognition(pk)
        services.raise_if_failed(row)
        self.raise_if_unserved([row])
        location = reverse("api:recognition-detail", args=[pk])
        status = 201 if row.status == Status.DONE else 202
        return QueuedResponse(recognition_as_dict(row), status=status, headers={"Location": location})

    def destroy(self, request, pk):
        services.delete_recognition(actor=self.actor, request=self._recognition(pk))
        return Response(status=204)

    @extend_schema(
        summary="The photo with its faces drawn on it",
        description="404 (photo_not_kept) if neither the gallery nor the request asked for the photo to be kept.",
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY, **PROBLEMS},
    )
    def annotated(self, request, pk):
        return picture(draw_kept_photo(self._seen(pk)))

    def _seen(self, pk) -> RecognitionRequest:
        row = self._recognition(pk)
        looks.seen(self.request, looks.Kind.RECOGNITION, gallery=row.gallery, object_id=pk)
        return row

    def _recognition(self, pk) -> RecognitionRequest:
        return self.find_visible(RECOGNITION, pk)


class FaceView(ActorMixin, APIView):
    """What a curator says of a recognised face. The answer is the recognition as it is then."""

    write_scope = Scope.ENROL
    input_class: type[serializers.Serializer]

    def values(self) -> dict:
        serializer = self.input_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def face(self, pk, index) -> RecognitionFace:
        rows = RecognitionRequest.objects.recognitions().defer("photo").select_related("gallery")
        face = self.get_visible(rows, pk=pk).faces.filter(index=index).first()
        if face is None:
            raise NotFound("There is no such face in this photo.")
        return face

    def identity(self, pk) -> Identity:
        return self.get_visible(Identity.objects.select_related("gallery"), pk=pk)

    def answer(self, pk) -> Response:
        return Response(recognition_as_dict(self.find_visible(RECOGNITION, pk)))


class RejectFaceView(FaceView):
    input_class = RejectInput

    @extend_schema(
        summary="Say that a face is not this person",
        description="From then on, faces nearer to this one than to the person's samples are not recognised as the person.",
        request=RejectInput,
        responses={200: RecognitionSchema, **PROBLEMS, 409: ProblemSerializer},
    )
    def post(self, request, pk, index):
        face, identity = self.face(pk, index), self.identity(self.values()["identity"])
        reject_identity(actor=self.actor, face=face, identity=identity)
        return self.answer(pk)


class ConfirmFaceView(FaceView):
    input_class = ConfirmFaceInput

    @extend_schema(
        summary="Say that a face is right",
        request=ConfirmFaceInput,
        responses={200: RecognitionSchema, **PROBLEMS, 409: ProblemSerializer},
    )
    def post(self, request, pk, index):
        face, shown = self.face(pk, index), self.identity(self.values()["identity"])
        confirm_face(actor=self.actor, face=face, shown=shown)
        return self.answer(pk)


class NameFaceView(FaceView):
    input_class = NameFaceInput

    @extend_schema(
        summary="Say who a face is",
        description="`identity`, or a new person called `name`. It also says “not X” of X, whom the answer names. 422 with a "
        "reason code, and nothing changed, if the face is to be enrolled and the quality gate refuses it.",
        request=NameFaceInput,
        responses={200: RecognitionSchema, **PROBLEMS, 409: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request, pk, index):
        values = self.values()
        name_face(
            actor=self.actor,
            face=self.face(pk, index),
            shown=self.identity(values["named"]) if values["named"] else None,
            identity=self.identity(values["identity"]) if values["identity"] else None,
            name=values["name"],
            enrol=values["enrol"],
            gate=values["quality_gate"],
        )
        return self.answer(pk)


class IdentitySamplesView(WaitingMixin, ActorMixin, APIView):
    parser_classes = [MultiPartParser, JSONParser]
    write_scope = Scope.ENROL

    @extend_schema(
        summary="A person's samples",
        description="In the order they were added.",
        responses={200: SampleSerializer(many=True), **PROBLEMS},
    )
    def get(self, request, pk):
        person = self._identity(pk)
        looks.seen(request, looks.Kind.PERSON, gallery=person.gallery, object_id=pk)
        samples = person.samples.order_by("id")
        return Response(SampleSerializer(samples, many=True).data)

    @extend_schema(
        summary="Enrol photos of a person",
        description="Each photo is enrolled or refused on its own: 201 if at least one was enrolled, 422 if none was, 5xx "
        "if none was for a fault of the server, 202 if some are still waiting. `warnings` are the reason codes of a face that "
        "was enrolled although its quality is poor.",
        request={"multipart/form-data": EnrolmentInput, "application/json": EnrolmentInput},
        parameters=[PREFER],
        responses={
            201: EnrolmentSchema,
            202: EnrolmentSchema,
            422: EnrolmentSchema,
            **PROBLEMS,
            503: ProblemSerializer,
        },
    )
    def post(self, request, pk):
        identity = self._identity(pk)
        serializer = EnrolmentInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        photos = [Photo(*photo) for photo in values.pop("photos")]
        rows = services.submit_enrolment(actor=self.actor, identity=identity, photos=photos, **values)
        return self.answer_later([row.pk for row in rows])

    def answer(self, ids):
        rows = list(RecognitionRequest.objects.enrolments(ids))
        answer = enrolment_as_dict(rows)
        if not answer["enrolled"]:
            self.raise_if_unserved(rows)
            services.raise_if_server_failed(rows)
        status = 202 if answer["pending"] else 201 if answer["enrolled"] else 422
        return QueuedResponse(answer, status=status)

    def _identity(self, pk) -> Identity:
        return self.get_visible(Identity.objects.select_related("gallery"), pk=pk)


@extend_schema_view(
    list=extend_schema(
        summary="Installed model packs",
        description="What each pack is made of, its licence, and whether that allows commercial use.",
        operation_id="packs_list",
        responses=forced_singular_serializer(PacksSchema),
    ),
    retrieve=extend_schema(summary="A model pack", responses={200: PackSchema, **PROBLEMS}),
)
class PackViewSet(viewsets.ViewSet):
    serializer_class = PackSchema
    write_scope = None

    def list(self, request):
        packs = [pack_as_dict(manifest) for manifest in installed_manifests()]
        return Response({"results": packs, "next": None, "previous": None})

    @extend_schema(parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH)])
    def retrieve(self, request, name):
        for manifest in installed_manifests():
            if manifest.name == name:
                return Response(pack_as_dict(manifest))
        raise NotFound(f"There is no pack “{name}” on this server.")
