"""What the endpoints of photos/api.py take, and the shapes of representation.py, declared for OpenAPI."""

from rest_framework import serializers

from faceplatform.web.api import PhotoField
from faceplatform.web.choices import ChoiceField
from gallery.api import SampleSerializer
from gallery.models import QualityGate
from recognition.photos.liveness import DECISIONS
from recognition.photos.models import Decision, Status
from recognition.photos.services import DEFAULT_TOP_K, MAX_TOP_K

WAITS_FOR_HELP = "What a waiting photo lacks: a worker with its model pack. Null if it only waits its turn."

LIVENESS_HELP = "Of live pictures and cameras, where the gallery has it switched on and the pack for it is installed."

WARNINGS_HELP = "What is wrong with the photo's file although it was read: “truncated” if it ends too early."


class RecognitionInput(serializers.Serializer):
    photo = PhotoField()
    gallery = serializers.SlugField(help_text="The gallery's slug.")
    top_k = serializers.IntegerField(default=DEFAULT_TOP_K, min_value=1, max_value=MAX_TOP_K)
    threshold = serializers.FloatField(
        required=False, allow_null=True, help_text="Largest distance that counts as the same person."
    )
    max_faces = serializers.IntegerField(required=False, allow_null=True, min_value=1)
    keep_photo = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Whether to keep the photo; else the gallery decides."
    )
    live = serializers.BooleanField(
        default=False,
        help_text="One of many pictures of a video: nothing of it is kept, and the answer is deleted within about an hour and "
        "listed nowhere.",
    )


class RejectInput(serializers.Serializer):
    identity = serializers.UUIDField(help_text="The person whom the face does not show.")


class ConfirmFaceInput(serializers.Serializer):
    identity = serializers.UUIDField(
        help_text="The person whom the answer names; 409 if it names somebody else by now."
    )


class NameFaceInput(serializers.Serializer):
    identity = serializers.UUIDField(
        required=False, allow_null=True, default=None, help_text="Somebody of the gallery."
    )
    name = serializers.CharField(required=False, max_length=200, default="", help_text="The name of a new person.")
    named = serializers.UUIDField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The person whom the answer names, null if nobody; 409 if it names somebody else by now.",
    )
    enrol = serializers.BooleanField(
        default=True, help_text="Whether the face becomes a sample; a new person needs one."
    )
    quality_gate = ChoiceField(
        choices=QualityGate.choices, required=False, default="", help_text="Instead of the gallery's own."
    )


class ErrorSchema(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class PixelsSchema(serializers.Serializer):
    x, y, width, height = (serializers.FloatField() for _ in range(4))


class NormalizedSchema(serializers.Serializer):
    left, top, width, height = (serializers.FloatField() for _ in range(4))


class BoxSchema(serializers.Serializer):
    pixels = PixelsSchema()
    normalized = NormalizedSchema()


class IdentityReferenceSchema(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    external_id = serializers.CharField()


class CandidateSchema(serializers.Serializer):
    identity = IdentityReferenceSchema()
    distance = serializers.FloatField()
    mean_distance = serializers.FloatField(
        allow_null=True, help_text="Mean over the person's nearest samples, three at most."
    )
    score = serializers.FloatField(help_text="0–1, 0.5 at the threshold.")
    sample_id = serializers.UUIDField(allow_null=True)


class QualitySchema(serializers.Serializer):
    score = serializers.FloatField()
    reasons = serializers.ListField(child=serializers.CharField())


class LivenessSchema(serializers.Serializer):
    score = serializers.FloatField(help_text="0–1: how likely it is a person and no photo or screen. A hint.")
    decision = serializers.ChoiceField(choices=DECISIONS)


class FaceSchema(serializers.Serializer):
    index = serializers.IntegerField()
    box = BoxSchema()
    landmarks = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    detection_score = serializers.FloatField()
    quality = QualitySchema()
    decision = serializers.ChoiceField(choices=Decision.choices)
    identity = IdentityReferenceSchema(allow_null=True)
    candidates = CandidateSchema(many=True)
    rejected = IdentityReferenceSchema(many=True, help_text="People whom a curator has said this face is not.")
    margin = serializers.FloatField(allow_null=True, help_text="Distance of the runner-up minus that of the nearest.")
    liveness = LivenessSchema(allow_null=True, help_text=LIVENESS_HELP)


class ImageSchema(serializers.Serializer):
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class ThresholdSchema(serializers.Serializer):
    distance = serializers.FloatField()
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the stubs take it for Field.source
        choices=["size", "calibrated", "manual", "request"]
    )


class RecognitionSchema(serializers.Serializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Status.choices)
    gallery = serializers.SlugField()
    pack = serializers.CharField()
    waits_for = serializers.CharField(allow_null=True, help_text=WAITS_FOR_HELP)
    created_at = serializers.DateTimeField()
    photo = serializers.CharField(help_text="The file name.")
    image = ImageSchema(allow_null=True)
    threshold = ThresholdSchema(allow_null=True)
    faces = FaceSchema(many=True)
    timings_ms = serializers.DictField(child=serializers.FloatField())
    warnings = serializers.ListField(child=serializers.CharField(), help_text=WARNINGS_HELP)
    error = ErrorSchema(allow_null=True)


class EnrolmentInput(serializers.Serializer):
    photos = serializers.ListField(child=PhotoField(), help_text="Up to 20 photos of this person alone.")
    quality_gate = ChoiceField(choices=QualityGate.choices, required=False)
    accept_truncated = serializers.BooleanField(
        default=False, help_text="Enrol also photos whose file ends too early; else they are refused (photo_truncated)."
    )


class EnrolmentResultSchema(serializers.Serializer):
    photo = serializers.CharField()
    status = serializers.ChoiceField(choices=["enrolled", "refused", "pending"])
    waits_for = serializers.CharField(allow_null=True, help_text=WAITS_FOR_HELP)
    sample = SampleSerializer(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())
    error = ErrorSchema(allow_null=True)


class EnrolmentSchema(serializers.Serializer):
    enrolled = serializers.IntegerField()
    refused = serializers.IntegerField()
    pending = serializers.IntegerField()
    results = EnrolmentResultSchema(many=True)


class PackSchema(serializers.Serializer):
    name, title, detector, embedder, metric, licence, measured_on = (serializers.CharField() for _ in range(7))
    dim = serializers.IntegerField(help_text="Length of its embeddings.")
    commercial_use = serializers.BooleanField(help_text="Whether the licences of all its parts allow commercial use.")
    threshold_1to1 = serializers.FloatField(
        help_text="Largest L2 distance at which two faces count as the same person in a 1:1 comparison."
    )
    advised_faces = serializers.IntegerField(
        help_text="Up to how many enrolled faces it is advised; 0 if nobody has measured it. See docs/models.md."
    )
    default = serializers.BooleanField(help_text="New galleries use this one.")


class PacksSchema(serializers.Serializer):
    results = PackSchema(many=True)
    next = serializers.URLField(allow_null=True, help_text="Always null: all packs are on one page.")
    previous = serializers.URLField(allow_null=True, help_text="Always null.")
