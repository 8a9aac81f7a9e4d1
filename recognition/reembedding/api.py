"""Changing a gallery's model over REST. Thin: parse, one service or queryset, answer."""

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.web.api import ProblemSerializer
from gallery.api import PROBLEMS
from gallery.models import Gallery
from recognition.photos.models import Decision
from recognition.photos.schema import IdentityReferenceSchema, ThresholdSchema
from recognition.reembedding import services
from recognition.reembedding.models import PreviewedFace, ReEmbedding
from recognition.reembedding.progress import DECISION_CHANGES, changes_of
from recognition.reembedding.representation import change_as_dict, reembedding_as_dict, reembeddings_as_dicts

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class ReEmbeddingInput(serializers.Serializer):
    pack = serializers.CharField(max_length=50, help_text="An installed model pack: see /packs.")


class ProgressSchema(serializers.Serializer):
    samples = serializers.IntegerField(help_text="Enrolled faces, including deleted ones that can be restored.")
    embedded = serializers.IntegerField(help_text="How many of them have their vector of `pack`.")
    unembedded = serializers.IntegerField(help_text="How many of them cannot be embedded.")
    faces = serializers.IntegerField(help_text="Faces of past recognitions in the preview.")
    previewed = serializers.IntegerField()
    waits_for_index = serializers.BooleanField(help_text="The index of a large gallery's new vectors is being built.")


class BeforeAfterSchema(serializers.Serializer):
    before, after = ThresholdSchema(), ThresholdSchema()


class Rank1Schema(serializers.Serializer):
    samples = serializers.IntegerField()
    before = serializers.FloatField(
        allow_null=True, help_text="Share whose nearest other sample is of the same person."
    )
    after = serializers.FloatField(allow_null=True)


class DecisionsSchema(serializers.Serializer):
    none = serializers.IntegerField(help_text="Decisions that would not change.")
    known_to_unknown, unknown_to_known, other_person, unreadable = (serializers.IntegerField() for _ in range(4))


class PreviewSchema(serializers.Serializer):
    at = serializers.DateTimeField()
    thresholds = BeforeAfterSchema()
    rank1 = Rank1Schema()
    decisions = DecisionsSchema()


class UnembeddedSchema(serializers.Serializer):
    sample = serializers.UUIDField()
    reason = serializers.CharField()


class ReEmbeddingSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery, old_pack, pack = (serializers.CharField() for _ in range(3))
    way_back = serializers.BooleanField(
        help_text="Whether it goes back to an earlier pack. If so, it cuts over by itself."
    )
    status = serializers.ChoiceField(ReEmbedding.Status.choices)
    stage = serializers.ChoiceField(ReEmbedding.Stage.choices)
    progress = ProgressSchema()
    preview = PreviewSchema(allow_null=True, help_text="Null until it is complete.")
    unembedded = UnembeddedSchema(many=True, help_text="The first hundred.")
    error_message = serializers.CharField()
    created_at = serializers.DateTimeField()
    cut_over_at = serializers.DateTimeField(allow_null=True)


class SideSchema(serializers.Serializer):
    decision = serializers.ChoiceField(Decision.choices)
    identity = IdentityReferenceSchema(allow_null=True)
    distance = serializers.FloatField(allow_null=True)


class ChangeSchema(serializers.Serializer):
    recognition = serializers.UUIDField()
    face = serializers.IntegerField(help_text="Index of the face in the recognition.")
    photo = serializers.CharField()
    created_at = serializers.DateTimeField()
    change = serializers.ChoiceField(PreviewedFace.Change.choices)
    before, after = SideSchema(), SideSchema()


class ForgottenSchema(serializers.Serializer):
    forgotten = serializers.DictField(child=serializers.IntegerField(), help_text="Pack → vectors deleted.")


@extend_schema_view(list=extend_schema(summary="A gallery's re-embeddings, newest first"))
class ReEmbeddingViewSet(ActorMixin, viewsets.GenericViewSet):
    queryset = ReEmbedding.objects.none()
    serializer_class = ReEmbeddingSchema
    write_scope = Scope.MANAGE

    def list(self, request, slug):
        gallery = self._gallery(slug)
        self.actor.require_role(gallery, Role.OWNER)
        page = self.paginate_queryset(gallery.reembeddings.select_related("gallery")) or []
        return self.get_paginated_response(reembeddings_as_dicts(page))

    @extend_schema(summary="A re-embedding and its progress", responses={200: ReEmbeddingSchema, **PROBLEMS})
    def retrieve(self, request, slug, pk):
        return Response(reembedding_as_dict(self._job(slug, pk)))

    @extend_schema(
        summary="Embed the gallery's faces again under another model pack",
        description="Runs in the background: poll `Location`. A stopped re-embedding to the same pack is resumed. Searches and "
        "enrolment do not change until the cut-over.",
        request=ReEmbeddingInput,
        responses={202: ReEmbeddingSchema, **CONFLICTS, 503: ProblemSerializer},
    )
    def create(self, request, slug):
        serializer = ReEmbeddingInput(data=request.data)
        serializer.is_valid(raise_exception=True)
        gallery = self._gallery(slug)
        job = services.start_reembedding(actor=self.actor, gallery=gallery, pack=serializer.validated_data["pack"])
        return self._accepted(job)

    @extend_schema(
        summary="Past decisions that the new pack would change",
        parameters=[OpenApiParameter("change", str, enum=[change.value for change in DECISION_CHANGES])],
        responses={200: ChangeSchema(many=True), **PROBLEMS},
    )
    def preview(self, request, slug, pk):
        change = request.query_params.get("change", "")
        changes = changes_of(self._job(slug, pk), change if change in DECISION_CHANGES else "")
        page = self.paginate_queryset(changes) or []
        return self.get_paginated_response([change_as_dict(row) for row in page])

    @extend_schema(
        summary="Put the new pack in force",
        description="409 `reembedding_incomplete` if a face is not embedded yet. The threshold is reset to “by size”.",
        request=None, responses={200: ReEmbeddingSchema, **CONFLICTS},
    )  # fmt: skip
    def cut_over(self, request, slug, pk):
        services.cut_over(actor=self.actor, job=self._job(slug, pk))
        return self.retrieve(request, slug, pk)

    @extend_schema(summary="Stop a re-embedding", request=None, responses={200: ReEmbeddingSchema, **CONFLICTS})
    def stop(self, request, slug, pk):
        services.stop_reembedding(actor=self.actor, job=self._job(slug, pk))
        return self.retrieve(request, slug, pk)

    @extend_schema(
        summary="Go back to the pack that was in force before",
        description="Its threshold is restored too. Happens at once or, if faces lack their old vector, once they are embedded.",
        request=None,
        responses={202: ReEmbeddingSchema, **CONFLICTS, 503: ProblemSerializer},
    )
    def back(self, request, slug):
        return self._accepted(services.go_back(actor=self.actor, gallery=self._gallery(slug)))

    @extend_schema(
        summary="Delete the vectors of packs that are not in force",
        description="Going back then has to embed all faces again.",
        request=None,
        responses={200: ForgottenSchema, **CONFLICTS},
    )
    def forget_old(self, request, slug):
        return Response({"forgotten": services.forget_old_vectors(actor=self.actor, gallery=self._gallery(slug))})

    def _accepted(self, job: ReEmbedding) -> Response:
        location = {"Location": reverse("api:reembedding-detail", args=[job.gallery.slug, job.pk])}
        return Response(reembedding_as_dict(self._job(job.gallery.slug, job.pk)), status=202, headers=location)

    def _gallery(self, slug) -> Gallery:
        return self.get_visible(Gallery.objects.all(), slug=slug)

    def _job(self, slug, pk) -> ReEmbedding:
        return self.get_visible(ReEmbedding.objects.select_related("gallery"), gallery__slug=slug, pk=pk)
