"""What the endpoints of api.py take, and the shapes of representation.py, declared for OpenAPI."""

from rest_framework import serializers

from recognition.cameras.schema import CameraReferenceSchema, UnknownReferenceSchema
from recognition.photos.models import Decision
from recognition.photos.schema import LIVENESS_HELP, IdentityReferenceSchema, LivenessSchema, QualitySchema

UNDO = "POST /undo/{event} undoes the change."
IDENTITY_HELP = "A person of the gallery; or give `name`."


class SightingFaceSchema(serializers.Serializer):
    id = serializers.UUIDField()
    rank = serializers.IntegerField(help_text="0 is the best.")
    taken_at = serializers.DateTimeField()
    detection_score = serializers.FloatField()
    quality = QualitySchema()
    liveness = LivenessSchema(allow_null=True, help_text=LIVENESS_HELP)
    jpeg = serializers.CharField(help_text="Where its picture is.")


class SightingSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    camera = CameraReferenceSchema()
    decision = serializers.ChoiceField(choices=Decision.choices)
    identity = IdentityReferenceSchema(
        allow_null=True, help_text="Who it is; null unless known, or if the person has been deleted since."
    )
    unknown = UnknownReferenceSchema(
        allow_null=True, help_text="Which unknown person it is, or was until it was named."
    )
    reason = serializers.CharField(help_text="Why it is unusable.")
    first_seen, last_seen = serializers.DateTimeField(), serializers.DateTimeField()
    frames = serializers.IntegerField()
    distance = serializers.FloatField(allow_null=True, help_text="Of the mean face to the nearest person.")
    margin = serializers.FloatField(allow_null=True, help_text="Distance of the runner-up minus that of the nearest.")
    threshold = serializers.FloatField(allow_null=True, help_text="In force then.")
    pack = serializers.CharField()
    closed = serializers.BooleanField(help_text="False while the person is still in the picture.")
    named_by = serializers.CharField(allow_null=True, help_text="Who named, corrected or confirmed it afterwards.")
    named_at = serializers.DateTimeField(allow_null=True)
    follows = serializers.UUIDField(
        allow_null=True, help_text="The sighting of the same track that ended when the track got another name."
    )
    liveness = LivenessSchema(allow_null=True, help_text=f"The mean of its faces. {LIVENESS_HELP}")
    faces = SightingFaceSchema(many=True)


class MayBeSchema(serializers.Serializer):
    identity = IdentityReferenceSchema(allow_null=True)
    unknown = UnknownReferenceSchema(allow_null=True)
    distance = serializers.FloatField()


class UnknownSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    number = serializers.IntegerField()
    first_seen, last_seen = serializers.DateTimeField(), serializers.DateTimeField()
    sightings = serializers.IntegerField()
    ignored = serializers.BooleanField()
    identity = IdentityReferenceSchema(allow_null=True, help_text="Whom a curator named.")
    merged_into = UnknownReferenceSchema(allow_null=True)
    face = serializers.CharField(allow_null=True, help_text="Where the picture of the best face is.")
    may_be = MayBeSchema(many=True, help_text="Who it may be: suggestions of the last look.")


class RefusedFaceSchema(serializers.Serializer):
    face = serializers.UUIDField()
    code = serializers.CharField(help_text="As for a refused photo.")
    detail = serializers.CharField()


class CorrectedSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text=UNDO)
    sighting = SightingSchema()
    refused = RefusedFaceSchema(many=True)


class ChangedUnknownSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text=UNDO)
    unknown = UnknownSchema(help_text="After a split, the new one.")


class NamedSchema(serializers.Serializer):
    event = serializers.UUIDField(help_text=UNDO)
    identity = IdentityReferenceSchema()
    enrolled = serializers.ListField(child=serializers.UUIDField(), help_text="The new samples.")
    refused = RefusedFaceSchema(many=True)


class RejectNameInput(serializers.Serializer):
    identity = serializers.UUIDField(help_text="The person whom the sighting does not show.")


class NameSightingInput(serializers.Serializer):
    identity = serializers.UUIDField(required=False, allow_null=True, help_text=IDENTITY_HELP)
    name = serializers.CharField(required=False, max_length=200, default="", help_text="The name of a new person.")
    enrol = serializers.BooleanField(
        default=False, help_text="Whether the best face becomes a sample, if it passes the quality gate."
    )


class NameUnknownInput(serializers.Serializer):
    identity = serializers.UUIDField(required=False, allow_null=True, help_text=IDENTITY_HELP)
    name = serializers.CharField(required=False, max_length=200, default="", help_text="The name of a new person.")
    faces = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        allow_null=True,
        max_length=100,
        help_text="Faces of the sightings that become samples; left out: the best three that differ.",
    )
    without = serializers.ListField(
        child=serializers.UUIDField(), required=False, default=list, max_length=1000,
        help_text="Sightings of somebody else. They become an unknown person of their own.",
    )  # fmt: skip


class MergeUnknownsInput(serializers.Serializer):
    others = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=100)


class SplitUnknownInput(serializers.Serializer):
    sightings = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=1000)


class IgnoreInput(serializers.Serializer):
    ignored = serializers.BooleanField(default=True)


class DenyInput(serializers.Serializer):
    identity = serializers.UUIDField(required=False, allow_null=True)
    unknown = serializers.UUIDField(required=False, allow_null=True)
