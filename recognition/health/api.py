"""Gallery health over REST. Thin: parse, one service or queryset, answer."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.roles import Role, Scope
from faceplatform.web.api import CursorPagination, ProblemSerializer
from gallery.api import PROBLEMS, ActorMixin
from gallery.models import Gallery
from recognition.health import services, tasks
from recognition.health.fixes import DISMISS, RESTORE
from recognition.health.models import HealthFinding, HealthReport
from recognition.health.representation import finding_as_dict
from recognition.photos.schema import IdentityReferenceSchema

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class HealthSerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug")
    status = serializers.ChoiceField(choices=[("none", "Never looked through"), *HealthReport.Status.choices])
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="Reason → findings when it was computed."
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
    text = serializers.CharField(help_text="The reason in words, with its numbers.")
    identity = IdentityReferenceSchema()
    sample_id = serializers.UUIDField(allow_null=True, help_text="The face; of a duplicate, the nearest to the other.")
    photo_name = serializers.CharField()
    own_sample_id = serializers.UUIDField(allow_null=True, help_text="The nearest other face of the person.")
    own_distance = serializers.FloatField(allow_null=True)
    other = IdentityReferenceSchema(allow_null=True, help_text="Whom the face, or the person, looks like.")
    other_sample_id = serializers.UUIDField(allow_null=True)
    distance = serializers.FloatField(allow_null=True)
    found = serializers.IntegerField(allow_null=True, help_text="Faces, of `total`, that the others find.")
    total = serializers.IntegerField(allow_null=True)
    samples = serializers.ListField(child=serializers.UUIDField(), help_text="Faces that belong together.")
    fixes = serializers.ListField(child=serializers.CharField(), help_text="What fits: move, merge, delete, dismiss …")
    dismissed_at = serializers.DateTimeField(allow_null=True)


class HealthView(ActorMixin, APIView):
    write_scope = Scope.ENROL

    @extend_schema(
        summary="A gallery's health: how far, and what it found", responses={200: HealthSerializer, **PROBLEMS}
    )
    def get(self, request, slug):
        return self._answer(self.gallery(slug))

    @extend_schema(
        summary="Look a gallery through again",
        description="Runs as a job: ask again. What was found before stands until it is done.",
        request=None,
        responses={202: HealthSerializer, **CONFLICTS},
    )
    def post(self, request, slug):
        gallery = self.gallery(slug)
        tasks.start(services.request_health(actor=self.actor, gallery=gallery))
        return self._answer(gallery, status=202)

    def gallery(self, slug) -> Gallery:
        found = self.get_visible(Gallery.objects.all(), slug=slug)
        self.actor.require_role(found, Role.CURATOR)
        return found

    @staticmethod
    def _answer(gallery: Gallery, status: int = 200) -> Response:
        report = HealthReport.objects.filter(gallery=gallery).first() or HealthReport(gallery=gallery, status="none")
        return Response(HealthSerializer(report).data, status=status)


class FindingsPagination(CursorPagination):
    ordering = ("rank", "id")


@extend_schema(
    summary="What was found and still holds, first what matters most",
    parameters=[
        OpenApiParameter("kind", str, enum=HealthFinding.Kind.values),
        OpenApiParameter(
            "dismissed", bool, description="Those that were said to be fine (true), or the others (false)."
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
        rows = HealthFinding.objects.filter(gallery=gallery).standing().with_people()
        rows = rows.filter(dismissed_at__isnull=query.get("dismissed") != "true")
        return rows.filter(kind=query["kind"]) if "kind" in query else rows

    def list(self, request, *args, **kwargs):
        rows = self.paginate_queryset(self.get_queryset())
        report = HealthReport.objects.filter(gallery__slug=self.kwargs["slug"]).first()
        threshold = report.threshold if report else None
        return self.get_paginated_response([finding_as_dict(row, threshold) for row in rows])


class FindingView(ActorMixin, APIView):
    """dismiss: say that a finding is fine; restore: take that back. The other fixes are the calls of curation."""

    write_scope = Scope.ENROL
    action = DISMISS

    @extend_schema(
        summary="Say that a finding is fine: it is not shown again",
        request=None,
        responses={200: FindingSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        finding = self.get_visible(HealthFinding.objects.with_people(), pk=pk)
        act = {DISMISS: services.dismiss_finding, RESTORE: services.restore_finding}[self.action]
        act(actor=self.actor, finding=finding)
        finding = HealthFinding.objects.with_people().get(pk=pk)
        report = HealthReport.objects.filter(gallery=finding.gallery_id).first()
        return Response(finding_as_dict(finding, report.threshold if report else None))


class RestoreFindingView(FindingView):
    action = RESTORE

    @extend_schema(
        summary="Take back that a finding is fine", request=None, responses={200: FindingSchema, **CONFLICTS}
    )
    def post(self, request, pk):
        return super().post(request, pk)
