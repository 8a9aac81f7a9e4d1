"""Detections, embeddings, comparisons and searches by vector over REST. Thin: parse, one service or queryset, answer."""

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import viewsets
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.compiled_reads import VisibleRow
from accounts.roles import Scope
from faceplatform.web.api import PREFER, ProblemSerializer
from faceplatform.web.parsers import JSONParser
from gallery.api import PROBLEMS, ActorMixin
from gallery.compiled_reads import GALLERY
from gallery.models import FaceSample, Identity
from recognition.analysis import representation, schema, services
from recognition.photos import compiled_reads
from recognition.photos.models import RecognitionRequest, Status
from recognition.photos.services import Photo
from recognition.photos.waiting import WaitingMixin

REFUSED = dict.fromkeys((413, 422, 503), ProblemSerializer)


def _described(summary: str, description: str, input_class, answer_class):
    """The two operations of an AnalysisViewSet."""
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
    """A photo in; 201 with the answer, or 202 and where to ask for it."""

    queryset = RecognitionRequest.objects.none()
    parser_classes = [MultiPartParser, JSONParser]
    read_scope = write_scope = Scope.RECOGNIZE
    input_class = schema.PhotoInput
    row: VisibleRow
    address: str

    def create(self, request):
        serializer = self.input_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.find_visible(GALLERY, values.pop("gallery"))
        photo = Photo(*values.pop("photo"))
        rows = self.submit(gallery=gallery, photo=photo, **values)
        return self.answer_later([row.pk for row in rows])

    def answer(self, ids):
        answer = self._as_dict(ids[0])
        status = 201 if answer["status"] == Status.DONE else 202
        return Response(answer, status=status, headers={"Location": reverse(self.address, args=[ids[0]])})

    def retrieve(self, request, pk):
        return Response(self._as_dict(pk))

    def submit(self, **values) -> list[RecognitionRequest]:
        raise NotImplementedError

    def as_dict(self, row: RecognitionRequest) -> dict:
        raise NotImplementedError

    def _as_dict(self, pk) -> dict:
        return self.as_dict(self.find_visible(self.row, pk))


@_described(
    "Find faces in a photo",
    "Where they are and how good. No face is an answer: an empty list.",
    schema.PhotoInput,
    schema.DetectionSchema,
)
class DetectionViewSet(AnalysisViewSet):
    row, address = compiled_reads.DETECTION, "api:detection-detail"
    serializer_class = schema.DetectionSchema
    as_dict = staticmethod(representation.detection_as_dict)

    def submit(self, **values):
        return [services.detect_faces(actor=self.actor, **values)]


@_described(
    "Get the vectors of a photo's faces",
    "Under the gallery's model pack, to be sent to POST /searches or compared by L2 distance.",
    schema.PhotoInput,
    schema.EmbeddingSchema,
)
class EmbeddingViewSet(AnalysisViewSet):
    row, address = compiled_reads.EMBEDDING, "api:embedding-detail"
    serializer_class = schema.EmbeddingSchema
    as_dict = staticmethod(representation.embedding_as_dict)

    def submit(self, **values):
        return [services.embed_faces(actor=self.actor, **values)]


@_described(
    "Compare faces",
    "Compares each face of `photo` with the one face of `reference`, or with an enrolled sample, or with a person. "
    "By the model pack's threshold for 1:1, unless the call brings its own.",
    schema.ComparisonInput,
    schema.ComparisonSchema,
)
class ComparisonViewSet(AnalysisViewSet):
    row, address = compiled_reads.FIRST_OF_COMPARISON, "api:comparison-detail"
    serializer_class = schema.ComparisonSchema
    input_class = schema.ComparisonInput
    as_dict = staticmethod(representation.comparison_as_dict)

    def submit(self, *, reference=None, sample=None, identity=None, **values):
        if reference is not None:
            other = Photo(*reference)
        elif sample is not None:
            other = self.get_visible(FaceSample.objects.enrolled(), pk=sample)
        else:
            other = self.get_visible(Identity.objects.all(), pk=identity)
        return services.compare_faces(actor=self.actor, reference=other, **values)


class SearchView(ActorMixin, APIView):
    write_scope = Scope.RECOGNIZE

    @extend_schema(
        summary="Who is nearest to this vector?",
        description="Searches the gallery's people as a recognition does, without a photo.",
        request=schema.SearchInput,
        responses={200: schema.SearchSchema, **PROBLEMS},
    )
    def post(self, request):
        serializer = schema.SearchInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.find_visible(GALLERY, values.pop("gallery"))
        vectors = [values.pop("vector")]
        [found] = services.search_vectors(actor=self.actor, gallery=gallery, vectors=vectors, **values)
        return Response(representation.search_as_dict(found))
