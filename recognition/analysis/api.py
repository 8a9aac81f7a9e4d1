"""Detections, embeddings, comparisons and searches by vector over REST. Thin: parse, call one service or queryset, answer."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.compiled_reads import VisibleRow
from accounts.roles import Scope
from faceplatform.web.api import PREFER, ProblemSerializer
from faceplatform.web.multipart import MultiPartParser
from faceplatform.web.parsers import JSONParser
from gallery.api import PROBLEMS
from gallery.compiled_reads import GALLERY
from gallery.models import FaceSample, Identity
from recognition.analysis import representation, schema, services
from recognition.photos import compiled_reads
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo
from recognition.photos.waiting import QueuedResponse, WaitingMixin

REFUSED = dict.fromkeys((413, 422, 503), ProblemSerializer)


Serializer = type[serializers.Serializer]


def _operations(summary: str, description: str, input_class: Serializer, answer_class: Serializer) -> Callable:
    """Describes the two operations of an AnalysisViewSet in the schema."""
    return extend_schema_view(
        create=extend_schema(
            summary=summary,
            description=description,
            request={"multipart/form-data": input_class, "application/json": input_class},
            parameters=[PREFER],
            responses={201: answer_class, 202: answer_class, **PROBLEMS, **REFUSED},
        ),
        retrieve=extend_schema(
            summary=f"The answer to: {summary[0].lower()}{summary[1:]}",
            description="Kept for an hour.",
            responses={200: answer_class, **PROBLEMS, **REFUSED},
        ),
    )


class AnalysisViewSet(WaitingMixin, ActorMixin, viewsets.GenericViewSet):
    """Takes a photo; returns 201 with the answer, or 202 with the address to ask for it.

    input_class: what a POST takes. stored: how the request is read. url_name: of the answer's address.
    """

    queryset = RecognitionRequest.objects.none()
    parser_classes = [MultiPartParser, JSONParser]
    read_scope = write_scope = Scope.RECOGNIZE
    input_class: Serializer = schema.PhotoInput
    stored: VisibleRow
    url_name: str

    def create(self, request):
        serializer = self.input_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.find_visible(GALLERY, values.pop("gallery"))
        photo = Photo(*values.pop("photo"))
        rows = self.submit(gallery=gallery, photo=photo, **values)
        return self.answer_later([row.pk for row in rows])

    def answer(self, ids):
        row = self.find_visible(self.stored, ids[0])
        answer = self.as_dict(row)
        self.raise_if_unserved([row])
        status = 201 if answer["status"] == Status.DONE else 202
        return QueuedResponse(answer, status=status, headers={"Location": reverse(self.url_name, args=[ids[0]])})

    def retrieve(self, request, pk):
        return Response(self._as_dict(pk))

    def submit(self, **values) -> list[RecognitionRequest]:
        raise NotImplementedError

    def as_dict(self, row: RecognitionRequest) -> dict[str, Any]:
        raise NotImplementedError

    def _as_dict(self, pk) -> dict[str, Any]:
        return self.as_dict(self.find_visible(self.stored, pk))


@_operations(
    "Find faces in a photo",
    "Where the faces are and how good each one is. A photo without a face gives an empty list.",
    schema.PhotoInput,
    schema.DetectionSchema,
)
class DetectionViewSet(AnalysisViewSet):
    stored, url_name = compiled_reads.DETECTION, "api:detection-detail"
    serializer_class = schema.DetectionSchema

    def submit(self, **values):
        return [services.detect_faces(actor=self.actor, **values)]

    def as_dict(self, row):
        return representation.detection_as_dict(row)


@_operations(
    "Get the vectors of a photo's faces",
    "Computed with the gallery's model pack; send them to POST /searches, or compare them by L2 distance.",
    schema.PhotoInput,
    schema.EmbeddingSchema,
)
class EmbeddingViewSet(AnalysisViewSet):
    stored, url_name = compiled_reads.EMBEDDING, "api:embedding-detail"
    serializer_class = schema.EmbeddingSchema

    def submit(self, **values):
        return [services.embed_faces(actor=self.actor, **values)]

    def as_dict(self, row):
        return representation.embedding_as_dict(row)


@_operations(
    "Compare faces",
    "Compares each face of `photo` with the one face of `reference`, with an enrolled sample, or with a person. Uses the "
    "model pack's threshold for 1:1 comparison, unless the call has its own.",
    schema.ComparisonInput,
    schema.ComparisonSchema,
)
class ComparisonViewSet(AnalysisViewSet):
    stored, url_name = compiled_reads.FIRST_OF_COMPARISON, "api:comparison-detail"
    serializer_class = schema.ComparisonSchema
    input_class = schema.ComparisonInput

    def submit(self, *, reference=None, sample=None, identity=None, **values):
        other: Photo | FaceSample | Identity
        if reference is not None:
            other = Photo(*reference)
        elif sample is not None:
            other = self.get_visible(FaceSample.objects.enrolled(), pk=sample)
        else:
            other = self.get_visible(Identity.objects.all(), pk=identity)
        return services.compare_faces(actor=self.actor, reference=other, **values)

    def as_dict(self, row):
        return representation.comparison_as_dict(row)


class SearchView(ActorMixin, APIView):
    write_scope = Scope.RECOGNIZE

    @extend_schema(
        summary="Who is nearest to this vector?",
        description="Searches the gallery's people like a recognition, but for a vector instead of a photo.",
        request=schema.SearchInput,
        responses={200: schema.SearchSchema, **PROBLEMS},
    )
    def post(self, request):
        serializer = schema.SearchInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.find_visible(GALLERY, values.pop("gallery"))
        vectors = [values.pop("vector")]
        [result] = services.search_vectors(actor=self.actor, gallery=gallery, vectors=vectors, **values)
        return Response(representation.search_as_dict(result))
