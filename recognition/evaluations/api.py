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


class EstimateSchema(serializers.Serializer):
    value = serializers.FloatField()
    low = serializers.FloatField(help_text="95 % interval.")
    high = serializers.FloatField()


class AtFpirSchema(serializers.Serializer):
    fpir = serializers.FloatField()
    fnir = EstimateSchema()
    threshold = serializers.FloatField(help_text="L2 distance.")
    accepted = serializers.IntegerField(help_text="Searches by strangers that found somebody at this threshold.")


class OpenSetSchema(serializers.Serializer):
    """As the platform compares: by a person's nearest sample. `numbers.policies` of the whole evaluation has the others."""

    people = serializers.IntegerField()
    faces = serializers.IntegerField()
    rank1 = EstimateSchema()
    at_fpir = AtFpirSchema(many=True)


class EvaluationSerializer(serializers.ModelSerializer):
    """A figure that the set does not define is null; `numbers.notes` of the whole evaluation says why."""

    pairs = serializers.IntegerField(source="numbers.pairs", allow_null=True)
    compared = serializers.IntegerField(source="numbers.compared", allow_null=True)
    accuracy = serializers.FloatField(source="numbers.accuracy", allow_null=True)
    deviation = serializers.FloatField(source="numbers.deviation", allow_null=True)
    auc = serializers.FloatField(source="numbers.auc", allow_null=True)
    eer = serializers.FloatField(source="numbers.eer", allow_null=True)
    tar_at_far = OperatingSchema(source="numbers.tar_at_far", many=True, default=list)
    open_set = OpenSetSchema(
        allow_null=True, help_text="Of searches with strangers among people; null for a set of pairs."
    )

    class Meta:
        model = Evaluation
        fields = [
            "id", "pack", "pack_sha256", "set_name", "set_sha256", "pairs", "compared", "accuracy", "deviation", "auc", "eer",
            "tar_at_far", "open_set", "created_as", "created_at",
        ]  # fmt: skip


class WholeEvaluationSerializer(EvaluationSerializer):
    numbers = serializers.DictField()
    curves = serializers.DictField(
        help_text="roc: [FAR, TAR, distance] rows; histogram: edges, counts; det: by policy, [FPIR, FNIR, threshold] rows."
    )
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
