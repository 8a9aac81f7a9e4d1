"""What CompreFace's calls take: parameters in the address or the form, photos as files or base64."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

from rest_framework import serializers

from faceplatform.errors import InvalidInput
from faceplatform.web.api import PhotoField
from gallery.models import Identity
from recognition.photos.services import MAX_TOP_K, Photo

PAGE_SIZE, LARGEST_PAGE = 20, 2000  # as Spring has them
SUBJECT = serializers.CharField(max_length=Identity._meta.get_field("name").max_length)
LANDMARKS, CALCULATOR = "landmarks", "calculator"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a call wants of a photo. plugins: slugs; those for which there is no model are ignored."""

    limit: int
    det_prob_threshold: float | None
    prediction_count: int
    status: bool
    plugins: frozenset[str] = field(default_factory=frozenset)

    @property
    def selection(self) -> dict:
        """Which faces, as our services name it."""
        return {"max_faces": self.limit or None, "min_detection_score": self.det_prob_threshold}


class WishInput(serializers.Serializer):
    limit = serializers.IntegerField(default=0, min_value=0)
    det_prob_threshold = serializers.FloatField(default=None, min_value=0, max_value=1)
    prediction_count = serializers.IntegerField(default=1, min_value=1)
    status = serializers.BooleanField(default=False)
    face_plugins = serializers.CharField(default="")


class PageInput(serializers.Serializer):
    page = serializers.IntegerField(default=0, min_value=0, max_value=1_000_000)
    size = serializers.IntegerField(default=PAGE_SIZE, min_value=1)


class FileInput(serializers.Serializer):
    file = PhotoField()


class TwoFilesInput(serializers.Serializer):
    source_image = PhotoField()
    target_image = PhotoField()


class _Vector(serializers.ListField):
    child = serializers.FloatField()
    max_length = 4096


class EmbeddingsInput(serializers.Serializer):
    embeddings = serializers.ListField(child=_Vector())


class SourceAndTargetsInput(serializers.Serializer):
    source = _Vector()
    targets = serializers.ListField(child=_Vector())


def wish_of(request) -> Wish:
    values = _checked(WishInput, request)
    plugins = frozenset(slug.strip() for slug in values.pop("face_plugins").split(","))
    values["prediction_count"] = min(values["prediction_count"], MAX_TOP_K)
    return Wish(plugins=plugins, **values)


def page_of(request) -> tuple[int, int]:
    """page, from 0, and size."""
    values = _checked(PageInput, request)
    return values["page"], min(values["size"], LARGEST_PAGE)


def photos_of(request, input_class=FileInput) -> list[Photo]:
    serializer = input_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return [Photo(*serializer.validated_data[name]) for name in serializer.fields]


def vectors_of(request, input_class=EmbeddingsInput) -> dict[str, list]:
    serializer = input_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values = serializer.validated_data
    if not all(values.values()):
        raise InvalidInput("1 embeddings were expected, but 0 were provided", code="vectors_missing")
    return values


def subject_of(request) -> str:
    """The parameter `subject`. Raises InvalidInput."""
    if (name := parameter(request, "subject")) is None:
        raise InvalidInput("Missing parameter: subject", code="parameter_missing")
    return checked_subject(name)


def new_subject_of(request) -> str:
    """The subject in a JSON body. Raises InvalidInput."""
    return checked_subject(request.data.get("subject") if isinstance(request.data, dict) else None)


def checked_subject(name: object) -> str:
    """Trimmed, not empty, and such as the database takes. Raises InvalidInput."""
    try:
        return SUBJECT.run_validation(name)
    except serializers.ValidationError as error:
        raise InvalidInput(f"subject: {error.detail[0]}", code="subject_invalid") from error


def parameter(request, name: str) -> str | None:
    """From the address, else from the form."""
    form = request.data if isinstance(request.data, dict) else {}
    value = request.query_params.get(name, form.get(name))
    return str(value) if isinstance(value, str | int | float) else None


def _checked(input_class, request) -> dict:
    given = {name: parameter(request, name) for name in input_class().fields}
    serializer = input_class(data={name: value for name, value in given.items() if value not in (None, "")})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def uuids(texts: Sequence[object]) -> list[UUID]:
    """Those that are UUIDs, as image ids are."""
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(UUID(str(text)))
    return found
