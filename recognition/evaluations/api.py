"""Evaluations over the REST API, read only; `manage.py evaluate` records them."""

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins, serializers, viewsets
from rest_framework.response import Response

from accounts.api_views import ActorMixin
from gallery.api import PROBLEMS
from recognition.evaluations.models import Evaluation


class OperatingSchema(serializers.Serializer):
    far = serializers.FloatField()
    tar = serializers.FloatField()
    low = serializers.FloatField(help_text="95 % interval of TAR.")
    high = serializers.FloatField()
    threshold = serializers.FloatField(help_text="L2 distance.")
    accepted = serializers.IntegerField(help_text="Pairs of two people accepted at this threshold.")


class EvaluationSerializer(serializers.ModelSerializer):
    """A figure that the set's pairs do not define is null; `numbers.notes` of the whole evaluation says why."""

    pairs = serializers.IntegerField(source="numbers.pairs")
    compared = serializers.IntegerField(source="numbers.compared")
    accuracy = serializers.FloatField(source="numbers.accuracy", allow_null=True)
    deviation = serializers.FloatField(source="numbers.deviation", allow_null=True)
    auc = serializers.FloatField(source="numbers.auc", allow_null=True)
    eer = serializers.FloatField(source="numbers.eer", allow_null=True)
    tar_at_far = OperatingSchema(source="numbers.tar_at_far", many=True)

    class Meta:
        model = Evaluation
        fields = [
            "id", "pack", "pack_sha256", "set_name", "set_sha256", "pairs", "compared", "accuracy", "deviation", "auc", "eer",
            "tar_at_far", "created_as", "created_at",
        ]  # fmt: skip


class WholeEvaluationSerializer(EvaluationSerializer):
    numbers = serializers.DictField()
    curves = serializers.DictField(help_text="roc: [FAR, TAR, distance] rows; histogram: edges and counts.")
    failures = serializers.ListField(child=serializers.DictField())

    class Meta(EvaluationSerializer.Meta):
        fields = [*EvaluationSerializer.Meta.fields, "numbers", "curves", "failures"]


@extend_schema_view(
    list=extend_schema(
        summary="Results of model packs on verification sets, newest first",
        description="For operators, and curators of any gallery.",
        parameters=[
            OpenApiParameter("pack", str, description="Only this pack (name)."),
            OpenApiParameter("set_sha256", str, description="Only this set."),
        ],
    ),
    retrieve=extend_schema(
        summary="An evaluation with its curves", responses={200: WholeEvaluationSerializer, **PROBLEMS}
    ),
)
class EvaluationViewSet(ActorMixin, mixins.ListModelMixin, viewsets.GenericViewSet):
    queryset = Evaluation.objects.none()
    serializer_class = EvaluationSerializer
    write_scope = None

    def get_queryset(self):
        rows = Evaluation.objects.visible_to(self.actor).without_curves()
        filters = {name: self.request.query_params.get(name) for name in ("pack", "set_sha256")}
        return rows.filter(**{name: value for name, value in filters.items() if value})

    def retrieve(self, request, pk):
        return Response(WholeEvaluationSerializer(self.get_visible(Evaluation.objects.all(), pk=pk)).data)
