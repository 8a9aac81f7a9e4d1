"""Merge, split, "not X" and undo over REST. Each answer names the audit event by which it can be undone."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.models import AuditEvent
from accounts.roles import Scope
from faceplatform.web.api import ProblemSerializer
from gallery.api import PROBLEMS, IdentitySerializer
from gallery.compiled_reads import PERSON
from gallery.curation import history, services
from gallery.models import FaceSample, Identity

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class MergeInput(serializers.Serializer):
    others = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=100, help_text="The people who are this person too."
    )


class SplitInput(serializers.ModelSerializer):
    samples = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000)

    class Meta:
        model = Identity
        fields = ["samples", "name", "external_id", "department", "position"]
        validators = ()


class CuratedSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text="POST /undo/{event} takes it back.")
    identity = IdentitySerializer()


class UndoneSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text="The undoing itself, which can be undone in turn.")


class CurationView(ActorMixin, APIView):
    write_scope = Scope.ENROL
    input_class: type[serializers.Serializer]

    def values(self) -> dict:
        serializer = self.input_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def identity(self, pk) -> Identity:
        return self.find_visible(PERSON, pk)

    def answer(self, done: services.Curated) -> Response:
        identity = IdentitySerializer(self.identity(done.identity.pk)).data
        return Response({"event": str(done.event.pk), "identity": identity})


class MergeView(CurationView):
    input_class = MergeInput

    @extend_schema(
        summary="Merge other people into this one",
        description="The person gets all their samples, and their data where its own is empty; they are deleted.",
        request=MergeInput,
        responses={200: CuratedSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        others = [self.identity(other) for other in self.values()["others"]]
        return self.answer(services.merge_identities(actor=self.actor, into=self.identity(pk), others=others))


class SplitView(CurationView):
    input_class = SplitInput

    @extend_schema(
        summary="Make a new person of some samples", request=SplitInput, responses={200: CuratedSchema, **CONFLICTS}
    )
    def post(self, request, pk):
        return self.answer(services.split_identity(actor=self.actor, identity=self.identity(pk), **self.values()))


class RejectSampleView(CurationView):
    @extend_schema(
        summary="Say that an enrolled face is not its person",
        description="The sample stays as what the person is not: faces nearer to it are not taken for the person.",
        request=None,
        responses={200: CuratedSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        return self.answer(services.reject_sample(actor=self.actor, sample=sample))


class UndoView(CurationView):
    @extend_schema(
        summary="Take back what an audit event did",
        description="Renames, merges, splits, moves, deletions, “not X” and undoings, until they are purged.",
        request=None,
        responses={200: UndoneSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        event = self.get_visible(AuditEvent.objects.all(), pk=pk)
        return Response({"event": str(history.undo(actor=self.actor, event=event).pk)})
