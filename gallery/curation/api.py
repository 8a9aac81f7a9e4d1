"""Merge, split, "not X" and undo over REST. Each answer names the audit event with which it can be undone."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.models import AuditEvent
from accounts.roles import Scope
from faceplatform.web.api import ProblemSerializer
from gallery.api import PROBLEMS, IdentitySerializer
from gallery.compiled_reads import IDENTITY
from gallery.curation import history, services
from gallery.models import FaceSample, Identity

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class MergeInput(serializers.Serializer):
    others = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=100, help_text="The people to merge into this one."
    )


class SplitInput(serializers.ModelSerializer):
    samples = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000)

    class Meta:
        model = Identity
        fields = ["samples", "name", "external_id", "department", "position"]
        validators = ()


class CuratedSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text="POST /undo/{event} undoes the change.")
    identity = IdentitySerializer()


class UndoneSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text="The audit event of the undo, which can be undone in turn.")


class CurationView(ActorMixin, APIView):
    write_scope = Scope.ENROL
    input_class: type[serializers.Serializer]

    def values(self) -> dict:
        serializer = self.input_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def identity(self, pk) -> Identity:
        return self.find_visible(IDENTITY, pk)

    def answer(self, result: services.CurationResult) -> Response:
        identity = IdentitySerializer(self.identity(result.identity.pk)).data
        return Response({"event": str(result.event.pk), "identity": identity})


class MergeView(CurationView):
    input_class = MergeInput

    @extend_schema(
        summary="Merge other people into this one",
        description="This person gets all samples of the others, and their data where its own is empty. The others are deleted.",
        request=MergeInput,
        responses={200: CuratedSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        others = [self.identity(other) for other in self.values()["others"]]
        return self.answer(services.merge_identities(actor=self.actor, into=self.identity(pk), others=others))


class SplitView(CurationView):
    input_class = SplitInput

    @extend_schema(
        summary="Split off samples into a new person", request=SplitInput, responses={200: CuratedSchema, **CONFLICTS}
    )
    def post(self, request, pk):
        return self.answer(services.split_identity(actor=self.actor, identity=self.identity(pk), **self.values()))


class RejectSampleView(CurationView):
    @extend_schema(
        summary="Mark an enrolled face as not this person",
        description="The sample is kept as a counter-example: the person is not proposed for a face that is nearer to it "
        "than to the person's other samples.",
        request=None,
        responses={200: CuratedSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        sample = self.get_visible(FaceSample.objects.select_related("identity__gallery"), pk=pk)
        return self.answer(services.reject_sample(actor=self.actor, sample=sample))


class UndoView(CurationView):
    @extend_schema(
        summary="Undo the change of an audit event",
        description="Possible for edits, merges, splits, moves, deletions, “not X” and undos, until the purge.",
        request=None,
        responses={200: UndoneSchema, **CONFLICTS},
    )
    def post(self, request, pk):
        event = self.get_visible(AuditEvent.objects.all(), pk=pk)
        return Response({"event": str(history.undo(actor=self.actor, event=event).pk)})
