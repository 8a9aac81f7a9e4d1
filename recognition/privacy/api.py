"""Retention, export and erasure over REST. Thin: parse, one service or queryset, answer."""

from dataclasses import asdict

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.errors import NotFound
from faceplatform.web.api import ProblemSerializer
from faceplatform.web.streaming import download
from gallery.api import PROBLEMS
from gallery.closing import reopen_gallery
from gallery.models import Gallery
from recognition.privacy.erasure import erase_subject, report_of
from recognition.privacy.export import begin_export, export_blocks
from recognition.privacy.gallery_deletion import deletion_as_dict
from recognition.privacy.models import Erasure
from recognition.privacy.retention import CATEGORIES, due_today
from recognition.privacy.services import set_retention
from recognition.privacy.subject import Subject, find_subject

RULE = "Days, `keep` (for ever) or `default` (the installation's setting)."


class DueSchema(serializers.Serializer):
    category = serializers.ChoiceField(choices=list(CATEGORIES))
    label = serializers.CharField()  # type: ignore[assignment]  # DRF takes declared fields out of the class
    help = serializers.CharField()
    setting = serializers.CharField(help_text=RULE)
    days = serializers.IntegerField(allow_null=True, help_text="The days in force; null: for ever.")
    count = serializers.IntegerField(help_text="How many are past it. The next daily job deletes them.")
    oldest = serializers.DateTimeField(allow_null=True)
    bytes = serializers.IntegerField()


class RetentionInput(serializers.Serializer):
    def get_fields(self):
        return {name: serializers.CharField(required=False, help_text=RULE) for name in CATEGORIES}


class ErasureInput(serializers.Serializer):
    confirm = serializers.CharField(help_text="The person's name, to confirm.")
    reason = serializers.CharField(max_length=200, help_text="Why. Kept for good, so it must not contain the name.")


class ErasureSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    gallery_id = serializers.UUIDField()
    whole_gallery = serializers.BooleanField(help_text="The gallery was deleted with everybody in it.")
    identities = serializers.ListField(child=serializers.UUIDField())
    erased_at = serializers.DateTimeField()
    erased_by = serializers.CharField()
    reason = serializers.CharField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Rows deleted or emptied, per table.")
    audit_event = serializers.UUIDField()
    backups_expire_at = serializers.DateTimeField(help_text="Until then a backup may still contain the person.")


class DeletionSchema(serializers.Serializer):
    gallery = serializers.SlugField()
    deletes_at = serializers.DateTimeField(
        allow_null=True, help_text="When the gallery will be deleted; null: it is not being deleted."
    )
    requested_by = serializers.CharField(allow_null=True)
    waiting_days = serializers.IntegerField(help_text="How long a deletion can be undone in this installation.")
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="How much goes with the gallery.")


class RetentionView(ActorMixin, APIView):
    write_scope = Scope.MANAGE

    @extend_schema(
        summary="How long a gallery keeps things, and what would be deleted now",
        description="A dry run: what is past its retention in each category. For curators.",
        responses={200: DueSchema(many=True), **PROBLEMS},
    )
    def get(self, request, slug):
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        self.actor.require_role(gallery, Role.CURATOR)
        return self._answer(gallery)

    @extend_schema(
        summary="Change how long a gallery keeps things",
        request=RetentionInput,
        responses={200: DueSchema(many=True), **PROBLEMS},
    )
    def patch(self, request, slug):
        gallery = self.get_visible(Gallery.objects.all(), slug=slug)
        serializer = RetentionInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        set_retention(actor=self.actor, gallery=gallery, **serializer.validated_data)
        return self._answer(gallery)

    @staticmethod
    def _answer(gallery: Gallery) -> Response:
        return Response([asdict(due) for due in due_today(gallery)])


class DeletionView(ActorMixin, APIView):
    write_scope = Scope.MANAGE

    @extend_schema(
        summary="What deleting a gallery would delete, and whether it is being deleted",
        description="A preview, also while the gallery is closed. For owners.",
        responses={200: DeletionSchema, **PROBLEMS},
    )
    def get(self, request, slug):
        return Response(deletion_as_dict(self._gallery(slug)))

    @extend_schema(
        summary="Undo the deletion of a gallery",
        description="Possible until `deletes_at`. For owners; needs the scope `manage`.",
        responses={204: None, **PROBLEMS, 409: ProblemSerializer},
    )
    def delete(self, request, slug):
        reopen_gallery(actor=self.actor, gallery=self._gallery(slug))
        return Response(status=204)

    def _gallery(self, slug: str) -> Gallery:
        """A gallery that the actor owns, even if it is closed. Raises NotFound."""
        gallery = Gallery.objects.owned_by(self.actor).filter(slug=slug).first()
        if gallery is None:
            raise NotFound("There is nothing here, or you have no access to it.")
        return gallery


class SubjectView(ActorMixin, APIView):
    write_scope = Scope.MANAGE
    read_scope = Scope.ENROL

    def subject(self, pk) -> Subject:
        """The person, even if deleted. Raises NotFound if there is none or the gallery is hidden."""
        subject = find_subject(pk)
        if self.actor.role_in(subject.gallery) is None:
            raise NotFound("There is nothing here, or you have no access to it.")
        return subject


class SubjectExportView(SubjectView):
    answers_with = ("application/zip",)
    asks_again = ("GET",)

    @extend_schema(
        summary="Export everything stored about a person",
        description="A ZIP with JSON and pictures to give to the person; docs/privacy.md describes it. For curators; "
        "needs the scope `enrol`. Audited.",
        responses={(200, "application/zip"): OpenApiTypes.BINARY, **PROBLEMS},
    )
    def get(self, request, pk):
        subject = self.subject(pk)
        begin_export(actor=self.actor, subject=subject)
        name = f"export-{subject.people[0]}.zip"
        return download(request, export_blocks(subject), name=name, content_type="application/zip")


class SubjectErasureView(SubjectView):
    asks_again = ("POST",)

    @extend_schema(
        summary="Erase a person permanently",
        description="Nothing that names the person is kept. This cannot be undone. For owners; needs the scope `manage`.",
        request=ErasureInput,
        responses={201: ErasureSchema, **PROBLEMS, 409: ProblemSerializer},
    )
    def post(self, request, pk):
        serializer = ErasureInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        erasure = erase_subject(actor=self.actor, subject=self.subject(pk), **serializer.validated_data)
        return Response(report_of(erasure), status=201)


@extend_schema_view(
    list=extend_schema(
        summary="Erasures in the galleries you own, newest first",
        parameters=[OpenApiParameter("gallery", str, description="Only this gallery (slug).")],
        responses=ErasureSchema(many=True),
    ),
    retrieve=extend_schema(summary="The report of an erasure", responses={200: ErasureSchema, **PROBLEMS}),
)
class ErasureViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Erasure.objects.none()
    serializer_class = ErasureSchema
    write_scope = None

    def list(self, request):
        rows = Erasure.objects.visible_to(self.actor, Role.OWNER)
        if slug := request.query_params.get("gallery"):
            rows = rows.filter(gallery_slug=slug)
        return self.get_paginated_response([report_of(row) for row in self.paginate_queryset(rows) or []])

    def retrieve(self, request, pk):
        row = Erasure.objects.visible_to(self.actor, Role.OWNER).filter(pk=pk).first()
        if row is None:
            raise NotFound("There is no such report, or you have no access to it.")
        return Response(report_of(row))
