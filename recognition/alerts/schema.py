"""How the API's schema describes alerts and webhooks, and what their calls take."""

from typing import Any

from rest_framework import serializers

from faceplatform.web.choices import ChoiceField, MultipleChoiceField
from recognition.alerts.models import AlertKind, AlertRule, DeliveryStatus
from recognition.alerts.services import CHOSEN, MOST_EMAILS, RULE_FIELDS
from recognition.cameras.schema import CameraReferenceSchema, UnknownReferenceSchema
from recognition.photos.models import Decision
from recognition.photos.schema import IdentityReferenceSchema

MOST_CHOSEN = 1_000


class AlertSightingSchema(serializers.Serializer):
    id = serializers.UUIDField()
    decision = serializers.ChoiceField(Decision.choices)
    distance = serializers.FloatField(allow_null=True)
    threshold = serializers.FloatField(allow_null=True)
    first_seen = serializers.DateTimeField()


class SeenSchema(serializers.Serializer):
    user = serializers.CharField()
    at = serializers.DateTimeField()


class AlertSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    kind = serializers.ChoiceField(AlertKind.choices)
    rule = serializers.CharField(help_text="The name of the rule that raised it.")
    text = serializers.CharField(help_text="The alert in words.")
    raised_at = serializers.DateTimeField()
    camera = CameraReferenceSchema(allow_null=True)
    identity = IdentityReferenceSchema(allow_null=True)
    unknown = UnknownReferenceSchema(allow_null=True)
    date = serializers.DateField(allow_null=True, help_text="Of an absence: the gallery's day.")
    sighting = AlertSightingSchema(allow_null=True)
    picture = serializers.CharField(allow_null=True, help_text="The path of the sighting's best face.")
    seen = serializers.BooleanField(help_text="Whether you have looked at it.")
    seen_by = SeenSchema(many=True)


class SeeInput(serializers.Serializer):
    """Give one of both."""

    alerts = serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_CHOSEN)
    gallery = serializers.SlugField(required=False, help_text="All alerts of this gallery (slug).")
    until = serializers.DateTimeField(
        required=False, help_text="With a gallery: those raised later, which you cannot have seen, are left out."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("alerts" in attrs) == ("gallery" in attrs):
            raise serializers.ValidationError("Send alerts or a gallery, one of both.")
        return attrs


class CountSchema(serializers.Serializer):
    seen = serializers.IntegerField(help_text="How many were new to you.")


def _ids(text: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.UUIDField(), required=False, max_length=MOST_CHOSEN, help_text=text)


class RuleInput(serializers.ModelSerializer):
    serializer_choice_field = ChoiceField

    gallery = serializers.SlugField(source="gallery.slug", help_text="The gallery's slug.")
    cameras = _ids("Ids; empty: all cameras.")
    people = _ids("Ids of whom it is about; empty: everybody.")
    but_not = _ids("Ids of whom it is not about.")
    weekdays = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6),
        required=False,
        max_length=7,
        help_text="0 is Monday.",
    )
    emails = serializers.ListField(
        child=serializers.EmailField(),
        required=False,
        max_length=MOST_EMAILS,
        help_text="Addresses that are told too, where the operator has set up e-mail.",
    )

    class Meta:
        model = AlertRule
        fields = ["gallery", *RULE_FIELDS, *CHOSEN]
        validators = ()  # the service validates
        extra_kwargs = {
            "starts_at": {"help_text": "In the gallery's time zone, as `ends_at`; both may go over midnight."},
            "min_score": {"help_text": "0–1, of a known person."},
            "cooldown": {
                "help_text": "Seconds in which the same person at the same camera is not told again.",
                "min_value": 0,
            },
            "absent_after": {"help_text": "The time at which somebody who was not seen is absent."},
        }


class RuleSchema(RuleInput):
    id = serializers.UUIDField()

    class Meta(RuleInput.Meta):
        fields = ["id", *RuleInput.Meta.fields, "created_at"]


class EndpointInput(serializers.Serializer):
    gallery = serializers.SlugField(help_text="The gallery's slug.")
    url = serializers.CharField(max_length=1000)
    kinds = MultipleChoiceField(choices=AlertKind.choices, required=False, help_text="What it is told; empty: all.")


class EndpointChange(serializers.Serializer):
    kinds = MultipleChoiceField(choices=AlertKind.choices, required=False)
    enabled = serializers.BooleanField(required=False)


class EndpointSchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.ChoiceField(AlertKind.choices), help_text="Empty: all.")
    enabled = serializers.BooleanField()
    off_reason = serializers.CharField(help_text="Why it was switched off by itself; else empty.")
    failing_since = serializers.DateTimeField(allow_null=True)
    old_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then messages are signed with the secret before this one, too."
    )
    created_at = serializers.DateTimeField()


class NewEndpointSchema(EndpointSchema):
    secret = serializers.CharField(allow_null=True, help_text="Shown only once; null if the answer is repeated.")


class AttemptSchema(serializers.Serializer):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="Of HTTP; null if there was no answer.")
    milliseconds = serializers.IntegerField()
    error = serializers.CharField()
    answer = serializers.CharField(help_text="Its first 1,000 characters.")


class DeliverySchema(serializers.Serializer):
    id = serializers.UUIDField()
    gallery = serializers.SlugField()
    endpoint = serializers.UUIDField()
    alert = serializers.UUIDField(allow_null=True)
    message_id = serializers.CharField(help_text="The header webhook-id, the same at every attempt.")
    type = serializers.CharField()
    body = serializers.CharField(help_text="What was signed and sent.")
    status = serializers.ChoiceField(DeliveryStatus.choices)
    next_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    attempts = AttemptSchema(many=True)
