"""What the endpoints of analysis/api.py take, and the shapes of representation.py, declared for OpenAPI."""

from typing import Any

from rest_framework import serializers

from faceplatform.web.api import PhotoField
from recognition.analysis.representation import FROM_PACK
from recognition.photos.models import Decision, Status
from recognition.photos.schema import (
    WAITS_FOR_HELP,
    WARNINGS_HELP,
    BoxSchema,
    CandidateSchema,
    ErrorSchema,
    IdentityReferenceSchema,
    ImageSchema,
    QualitySchema,
    ThresholdSchema,
)
from recognition.photos.services import DEFAULT_TOP_K, MAX_TOP_K


class PhotoInput(serializers.Serializer):
    photo = PhotoField()
    gallery = serializers.SlugField(help_text="The gallery whose model pack is used; you need a role in it.")
    max_faces = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, help_text="At most this many faces, the largest first."
    )


class ComparisonInput(serializers.Serializer):
    gallery = serializers.SlugField(help_text="The gallery whose model pack is used; you need a role in it.")
    photo = PhotoField(help_text="Every face in it is compared.")
    reference = PhotoField(required=False, help_text="A photo with one face.")
    sample = serializers.UUIDField(required=False, help_text="Instead of `reference`: an enrolled face.")
    identity = serializers.UUIDField(
        required=False, help_text="Instead of `reference`: a person, compared by the nearest of their faces."
    )
    threshold = serializers.FloatField(
        required=False, allow_null=True, help_text="Largest distance that counts as the same person."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len({"reference", "sample", "identity"} & set(attrs)) != 1:
            raise serializers.ValidationError("Send exactly one of reference, sample and identity to compare with.")
        return attrs


class SearchInput(serializers.Serializer):
    gallery = serializers.SlugField(help_text="The gallery's slug.")
    vector = serializers.ListField(
        child=serializers.FloatField(),
        max_length=4096,
        help_text="An embedding under the gallery's model pack, as POST /embeddings returns it.",
    )
    top_k = serializers.IntegerField(default=DEFAULT_TOP_K, min_value=1, max_value=MAX_TOP_K)
    threshold = serializers.FloatField(
        required=False, allow_null=True, help_text="Largest distance that counts as the same person."
    )


class DetectedFaceSchema(serializers.Serializer):
    index = serializers.IntegerField()
    box = BoxSchema()
    landmarks = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    detection_score = serializers.FloatField()
    quality = QualitySchema()
    usable = serializers.BooleanField(help_text="False: too poor to compare; quality.reasons says why.")


class EmbeddedFaceSchema(DetectedFaceSchema):
    embedding = serializers.ListField(
        child=serializers.FloatField(), help_text="In half precision, as stored and searched."
    )


class AnalysisSchema(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    gallery = serializers.SlugField()
    pack = serializers.CharField()
    waits_for = serializers.CharField(allow_null=True, help_text=WAITS_FOR_HELP)
    created_at = serializers.DateTimeField()
    image = ImageSchema(allow_null=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())
    warnings = serializers.ListField(child=serializers.CharField(), help_text=WARNINGS_HELP)
    error = ErrorSchema(allow_null=True)


class DetectionSchema(AnalysisSchema):
    faces = DetectedFaceSchema(many=True, help_text="The largest first; empty if there is none.")


class EmbeddingSchema(AnalysisSchema):
    faces = EmbeddedFaceSchema(many=True, help_text="The largest first.")


class ComparisonThresholdSchema(serializers.Serializer):
    distance = serializers.FloatField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the stubs take it for Field.source
        choices=[FROM_PACK, "request"]
    )


class MatchSchema(serializers.Serializer):
    face = DetectedFaceSchema()
    distance = serializers.FloatField()
    score = serializers.FloatField(help_text="0–1, 0.5 at the threshold.")
    decision = serializers.ChoiceField(choices=["same", "different", "unusable"])
    sample_id = serializers.UUIDField(
        allow_null=True, help_text="The nearest enrolled face; null for a reference photo."
    )


class ComparisonSchema(AnalysisSchema):
    threshold = ComparisonThresholdSchema()
    reference = DetectedFaceSchema(allow_null=True, help_text="The face of the reference photo.")
    matches = MatchSchema(many=True, help_text="One per face of the photo, the nearest first.")


class SearchSchema(serializers.Serializer):
    pack = serializers.CharField()
    threshold = ThresholdSchema()
    decision = serializers.ChoiceField(choices=[Decision.KNOWN, Decision.UNKNOWN])
    identity = IdentityReferenceSchema(allow_null=True)
    candidates = CandidateSchema(many=True)
    margin = serializers.FloatField(allow_null=True, help_text="Distance of the runner-up minus that of the nearest.")
