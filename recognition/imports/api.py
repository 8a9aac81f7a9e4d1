"""Imports over REST. Thin: parse, one service or queryset, answer."""

from pathlib import PurePath

from django.http import StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.choices import ChoiceField
from faceplatform.web.filters import Filter, filtered, list_parameters
from faceplatform.web.multipart import MultiPartParser
from faceplatform.web.streaming import download
from gallery.api import PROBLEMS
from gallery.models import Gallery, QualityGate
from recognition.imports import services, tasks
from recognition.imports.models import Import
from recognition.imports.report import report_blocks

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}
FILTERS = [
    Filter("gallery", "gallery__slug", "Only this gallery (slug)."),
    Filter("status", "status", "Only imports in this state.", choices=Import.Status.values),
]


class ImportSerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug")
    handled = serializers.IntegerField(help_text="Files dealt with so far, of `total`.")

    skipped = serializers.IntegerField(help_text="Photos that were enrolled already, for the same person.")
    refused = serializers.IntegerField(help_text="Photos that cannot be used, or are enrolled as somebody else.")
    ignored = serializers.IntegerField(help_text="Files left out: they are nobody's photo. The report says why.")

    class Meta:
        model = Import
        fields = [
            "id",
            "gallery",
            "name",
            "status",
            "total",
            "handled",
            "enrolled",
            "skipped",
            "refused",
            "ignored",
            "error_message",
            "created_at",
            "finished_at",
        ]


class ImportInput(serializers.Serializer):
    gallery = serializers.SlugField(help_text="The gallery's slug.")
    file = serializers.FileField(help_text="A ZIP with a folder per person, or with a CSV next to the photos.")
    quality_gate = ChoiceField(
        QualityGate.choices, required=False, default="", help_text="Overrides the gallery's own quality gate."
    )


@extend_schema_view(
    list=extend_schema(
        summary="Imports of your galleries, newest first",
        parameters=list_parameters(FILTERS),
    ),
    retrieve=extend_schema(summary="An import and its progress", responses={200: ImportSerializer, **PROBLEMS}),
)
class ImportViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Import.objects.none()
    serializer_class = ImportSerializer
    parser_classes = [MultiPartParser]
    write_scope = Scope.ENROL

    def get_queryset(self):
        rows = Import.objects.visible_to(self.actor).select_related("gallery")
        return filtered(rows, self.request.query_params, FILTERS)

    def retrieve(self, request, pk):
        return Response(ImportSerializer(self._job(pk)).data)

    @extend_schema(
        summary="Enrol many people from a ZIP",
        description="Runs in the background: poll `Location`. Sending the same ZIP again enrols nothing twice.",
        request={"multipart/form-data": ImportInput},
        responses={202: ImportSerializer, **PROBLEMS, 413: ProblemSerializer},
    )
    def create(self, request):
        serializer = ImportInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        values = serializer.validated_data
        gallery = self.get_visible(Gallery.objects.all(), slug=values["gallery"])
        self.actor.require_role(gallery, Role.CURATOR)
        file = values["file"]
        job = services.create_import(
            actor=self.actor,
            gallery=gallery,
            name=PurePath(file.name).name,
            file=file,
            quality_gate=values["quality_gate"],
        )
        tasks.start(job)
        location = {"Location": reverse("api:import-detail", args=[job.pk])}
        return Response(ImportSerializer(self._job(job.pk)).data, status=202, headers=location)

    @extend_schema(
        summary="Stop an import",
        description="Stops once the photos already queued are done. People enrolled so far stay.",
        request=None,
        responses={200: ImportSerializer, **CONFLICTS},
    )
    def stop(self, request, pk):
        services.stop_import(actor=self.actor, job=self._job(pk))
        return self.retrieve(request, pk)

    @extend_schema(
        summary="Resume a stopped or failed import", request=None, responses={200: ImportSerializer, **CONFLICTS}
    )
    def resume(self, request, pk):
        tasks.start(services.resume_import(actor=self.actor, job=self._job(pk)))
        return self.retrieve(request, pk)

    @extend_schema(
        summary="What became of each file, as CSV", responses={(200, "text/csv"): OpenApiTypes.STR, **PROBLEMS}
    )
    def report(self, request, pk):
        return report_response(request, self._job(pk))

    def _job(self, pk) -> Import:
        return self.get_visible(Import.objects.select_related("gallery"), pk=pk)


def report_response(request, job: Import) -> StreamingHttpResponse:
    """The CSV report as a download, streamed."""
    blocks = (block.encode() for block in report_blocks(job))
    name = f"import-{job.created_at:%Y%m%d-%H%M}.csv"
    return download(request, blocks, name=name, content_type="text/csv; charset=utf-8")
