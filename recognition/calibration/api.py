"""Calibration over the REST API."""

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api_views import ActorMixin
from accounts.roles import Role, Scope
from faceplatform.web.api import ProblemSerializer
from gallery.api import PROBLEMS, GallerySerializer
from gallery.models import Gallery
from recognition.calibration import services, tasks
from recognition.calibration.models import CalibrationReport

CONFLICTS = {**PROBLEMS, 409: ProblemSerializer}


class CalibrationInput(serializers.Serializer):
    fpir = serializers.FloatField(
        required=False,
        min_value=services.SMALLEST_FPIR,
        max_value=services.LARGEST_FPIR,
        help_text="Share of strangers who may be mistaken for somebody. Default: the gallery's target, or the measured rate.",
    )


class AdviceSchema(serializers.Serializer):
    fpir = serializers.FloatField()
    people = serializers.IntegerField()
    far = serializers.FloatField(
        help_text="The FAR allowed for a comparison with one person: FPIR = 1 - (1 - FAR)^people."
    )
    expected_errors = serializers.FloatField(
        help_text="Independent errors among the gallery's own comparisons at that FAR; 30 or more are plenty."
    )
    distance = serializers.FloatField(
        allow_null=True, help_text="The advised threshold; null if there are too few faces to say."
    )
    estimate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(
        allow_null=True, help_text="90 % interval of the threshold; its cautious end is advised."
    )
    high = serializers.FloatField(allow_null=True)
    capped = serializers.BooleanField(
        help_text="Lowered to the pack's 1:1 threshold, because it would have been looser."
    )
    frr = serializers.FloatField(allow_null=True, help_text="Share of the enrolled faces that a search would miss.")
    frr_low = serializers.FloatField(allow_null=True)
    frr_high = serializers.FloatField(allow_null=True)
    seen_fpir = serializers.FloatField(
        allow_null=True, help_text="FPIR counted among the gallery's own faces, at `distance`."
    )
    needed_faces = serializers.IntegerField(allow_null=True, help_text="About how many faces would be enough.")
    needed_people = serializers.IntegerField(allow_null=True)


class RatesSchema(serializers.Serializer):
    distance = serializers.FloatField()
    far = serializers.FloatField(
        allow_null=True, help_text="Of a search: a face against the nearest of another person's faces."
    )
    frr = serializers.FloatField(allow_null=True)
    far_pairs = serializers.FloatField(allow_null=True, help_text="Of single pairs of photos.")
    frr_pairs = serializers.FloatField(allow_null=True)


class SizeSchema(serializers.Serializer):
    people = serializers.IntegerField()
    faces = serializers.IntegerField()


class CountsSchema(serializers.Serializer):
    genuine = serializers.IntegerField()
    impostor = serializers.IntegerField()


class HistogramSchema(serializers.Serializer):
    step = serializers.FloatField()
    first = serializers.FloatField(help_text="Distance at which the first bin begins.")
    genuine = serializers.ListField(child=serializers.IntegerField())
    impostor = serializers.ListField(child=serializers.IntegerField())


class ResultSchema(SizeSchema):
    fpir = serializers.FloatField()
    compared = SizeSchema(help_text="What was compared: in a large gallery, people drawn at random.")
    pairs = CountsSchema()
    searches = CountsSchema(help_text="Comparisons of a face with a person's nearest face.")
    threshold_1to1 = serializers.FloatField()
    rates = RatesSchema(many=True)
    histogram = HistogramSchema()
    advice = AdviceSchema(many=True)


class CalibrationSerializer(serializers.ModelSerializer):
    gallery = serializers.SlugField(source="gallery.slug")
    status = serializers.ChoiceField(choices=[("none", "Never measured"), *CalibrationReport.Status.choices])
    result = serializers.SerializerMethodField()

    class Meta:
        model = CalibrationReport
        fields = [
            "gallery",
            "status",
            "done",
            "total",
            "error_message",
            "pack",
            "fpir",
            "computed_at",
            "seconds",
            "result",
        ]

    @extend_schema_field(ResultSchema(allow_null=True))
    def get_result(self, report) -> dict | None:
        return report.result or None


class CalibrationView(ActorMixin, APIView):
    write_scope = Scope.MANAGE

    @extend_schema(
        summary="A gallery's own error rates and the advised threshold",
        responses={200: CalibrationSerializer, **PROBLEMS},
    )
    def get(self, request, slug):
        return self._answer(self.gallery(slug))

    @extend_schema(
        summary="Measure a gallery's error rates",
        description="Starts a job: poll the GET. The earlier result stays until the new one is ready.",
        request=CalibrationInput,
        responses={202: CalibrationSerializer, **CONFLICTS},
    )
    def post(self, request, slug):
        gallery = self.gallery(slug)
        report = services.request_calibration(actor=self.actor, gallery=gallery, fpir=_fpir(request))
        tasks.start(report)
        return self._answer(gallery, status=202)

    def gallery(self, slug) -> Gallery:
        gallery = self.get_visible(Gallery.objects.with_counts(), slug=slug)
        self.actor.require_role(gallery, Role.CURATOR)
        return gallery

    @staticmethod
    def _answer(gallery: Gallery, status: int = 200) -> Response:
        report = CalibrationReport.objects.filter(gallery=gallery).first()
        report = report or CalibrationReport(gallery=gallery, status="none", fpir=gallery.target_fpir)
        return Response(CalibrationSerializer(report).data, status=status)


class ApplyCalibrationView(CalibrationView):
    http_method_names = ["post", "options"]

    @extend_schema(
        summary="Put the advised threshold in force",
        description="For owners. To go back, PATCH the gallery with threshold_source size and threshold_distance null.",
        request=CalibrationInput,
        responses={200: GallerySerializer, **CONFLICTS},
    )
    def post(self, request, slug):
        gallery = self.gallery(slug)
        services.apply_calibration(actor=self.actor, gallery=gallery, fpir=_fpir(request))
        return Response(GallerySerializer(self.gallery(slug)).data)


def _fpir(request) -> float | None:
    serializer = CalibrationInput(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data.get("fpir")
