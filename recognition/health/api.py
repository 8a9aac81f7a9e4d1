"""Gallery health over the REST API."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.web.api import CursorPagination, ProblemSerializer
from gallery.api import PROBLEMS
from gallery.models import Gallery
from recognition.health import services, tasks
from recognition.health.fixes import DISMISS, RESTORE
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.representation import finding_as_dict
from recognition.photos.schema import IdentityReferenceSchema

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class HealthSerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug")
    status = serializers.ChoiceField(choices=[("none", "Never checked"), *HealthReport.Status.choices])
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="How many findings each reason had when the report was computed.",
    )

    class Meta:
        model = HealthReport
        fields = [
            "gallery",
            "status",
            "done",
            "total",
            "error_message",
            "pack",
            "threshold",
            "people",
            "faces",
            "counts",
            "computed_at",
            "seconds",
        ]


class FindingSchema(serializers.Serializer):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=HealthFinding.Kind.choices)
    reason = serializers.ChoiceField(choices=HealthFinding.Reason.choices)
    text = serializers.CharField(help_text="The reason as a sentence, with its figures.")
    identity = IdentityReferenceSchema()
    sample_id = serializers.UUIDField(
        allow_null=True, help_text="The face; for a duplicate, the person's face nearest to the other person."
    )
    photo_name = serializers.CharField()
    own_sample_id = serializers.UUIDField(allow_null=True, help_text="The nearest other face of the same person.")
    own_distance = serializers.FloatField(allow_null=True)
    other = IdentityReferenceSchema(allow_null=True, help_text="The person whom the face, or this person, looks like.")
    other_sample_id = serializers.UUIDField(allow_null=True)
    distance = serializers.FloatField(allow_null=True)
    found = serializers.IntegerField(allow_null=True, help_text="How many of the `total` faces the others find.")
    total = serializers.IntegerField(allow_null=True)
    samples = serializers.ListField(
        child=serializers.UUIDField(), help_text="For two people under one name: those of one."
    )
    fixes = serializers.ListField(
        child=serializers.CharField(), help_text="The fixes that apply: move, merge, delete, dismiss …"
    )
    dismissed_at = serializers.DateTimeField(allow_null=True)


class HealthView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(summary="A gallery's health: progress and counts", responses={200: HealthSerializer, **PROBLEMS})
    def get(self, request, slug):
        return self._answer(self.gallery(slug))

    @extend_schema(
        summary="Check a gallery again",
        description="Starts a job: poll the GET. Earlier findings stay until the new result is ready.",
        request=None,
        responses={202: HealthSerializer, **CONFLICTS},
    )
    def post(self, request, slug):
        gallery = self.gallery(slug)
        tasks.start(services.request_health(actor=self.actor, gallery=gallery))
        return self._answer(gallery, status=202)

    def gallery(self, slug) -> Gallery:
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        self.actor.require_role(gallery, Role.CURATOR)
        return gallery

    @staticmethod
    def _answer(gallery: Gallery, status: int = 200) -> Response:
        report = HealthReport.objects.filter(gallery=gallery).first() or HealthReport(gallery=gallery, status="none")
        return Response(HealthSerializer(report).data, status=status)


class FindingsPagination(CursorPagination):
    ordering = ("rank", "id")


@extend_schema(
    summary="The current findings, the most important first",
    parameters=[
        OpenApiParameter("kind", str, enum=HealthFinding.Kind.values),
        OpenApiParameter(
            "dismissed", bool, description="Only findings marked as fine (true), or only the others (false)."
        ),
    ],
)
class FindingsView(ActorMixin, ListAPIView):
    queryset = HealthFinding.objects.none()
    write_scope = None
    pagination_class = FindingsPagination
    serializer_class = FindingSchema

    def get_queryset(self):
        gallery = self.get_visible(Gallery.objects.all(), slug=self.kwargs["slug"])
        self.actor.require_role(gallery, Role.CURATOR)
        query = self.request.query_params
        rows = HealthFinding.objects.filter(gallery=gallery).current().with_people()
        rows = rows.filter(dismissed_at__isnull=query.get("dismissed") != "true")
        return rows.filter(kind=query["kind"]) if "kind" in query else rows

    def list(self, request, *args, **kwargs):
        rows = self.paginate_queryset(self.get_queryset()) or []
        report = HealthReport.objects.filter(gallery__slug=self.kwargs["slug"]).first()
        threshold = report.threshold if report else None
        return self.get_paginated_response([finding_as_dict(row, threshold) for row in rows])


class DismissFindingView(ActorMixin, APIView):
    """For the other fixes of a finding, use the curation calls."""

    write_scope = Scope.ENROL
    action = DISMISS

    @extend_schema(
        summary="Mark a finding as fine: it is not shown again",
        request=None,
        responses={200: FindingSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        finding = self.get_visible(HealthFinding.objects.with_people(), pk=pk)
        service = {DISMISS: services.dismiss_finding, RESTORE: services.restore_finding}[self.action]
        service(actor=self.actor, finding=finding)
        finding = HealthFinding.objects.with_people().get(pk=pk)
        report = HealthReport.objects.filter(gallery=finding.gallery_id).first()
        return Response(finding_as_dict(finding, report.threshold if report else None))


class RestoreFindingView(DismissFindingView):
    action = RESTORE

    @extend_schema(
        summary="Show a finding again that was marked as fine",
        request=None,
        responses={200: FindingSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        return super().post(request, pk)
