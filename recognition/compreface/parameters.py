"""Parses the input of CompreFace's calls: parameters in the query or the form, photos as files or base64."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request

from faceplatform.errors import InvalidInput
from faceplatform.text import clean_name
from faceplatform.web.api import PhotoField
from gallery.models import Identity
from recognition.photos.services import MAX_TOP_K, Photo

PAGE_SIZE, MAX_PAGE_SIZE = 20, 2000  # the defaults of Spring, which CompreFace uses
SUBJECT = serializers.CharField(max_length=Identity._meta.get_field("name").max_length)
LANDMARKS, CALCULATOR = "landmarks", "calculator"


@dataclass(frozen=True, slots=True)
class PhotoOptions:
    """What a call asks of a photo.

    limit: how many faces, 0 for all. prediction_count: how many subjects per face. status: whether to add versions and
    timings. plugins: names; those that we have no model for are ignored.
    """

    limit: int
    det_prob_threshold: float | None
    prediction_count: int
    status: bool
    plugins: frozenset[str] = field(default_factory=frozenset)

    @property
    def face_selection(self) -> dict[str, Any]:
        """Which faces to look at, as keyword arguments of our services."""
        return {"max_faces": self.limit or None, "min_detection_score": self.det_prob_threshold}


class PhotoOptionsInput(serializers.Serializer):
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
    source = _Vector()  # type: ignore[assignment]  # DRF takes declared fields out of the class
    targets = serializers.ListField(child=_Vector())


def options_of(request: Request) -> PhotoOptions:
    values = _validated(PhotoOptionsInput, request)
    plugins = frozenset(slug.strip() for slug in values.pop("face_plugins").split(","))
    values["prediction_count"] = min(values["prediction_count"], MAX_TOP_K)
    return PhotoOptions(plugins=plugins, **values)


def page_of(request: Request) -> tuple[int, int]:
    """The page number, counted from 0, and the page size."""
    values = _validated(PageInput, request)
    return values["page"], min(values["size"], MAX_PAGE_SIZE)


def photos_of(request: Request, input_class: type[serializers.Serializer] = FileInput) -> list[Photo]:
    """The photos in the fields of `input_class`, in order. Raises ValidationError."""
    serializer = input_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return [Photo(*serializer.validated_data[name]) for name in serializer.fields]


def vectors_of(request: Request, input_class: type[serializers.Serializer] = EmbeddingsInput) -> dict[str, list[Any]]:
    """The fields of `input_class`, none of them empty. Raises ValidationError, InvalidInput (vectors_missing)."""
    serializer = input_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values = serializer.validated_data
    if not all(values.values()):
        raise InvalidInput("1 embeddings were expected, but 0 were provided", code="vectors_missing")
    return values


def subject_of(request: Request) -> str:
    """The parameter `subject`. Raises InvalidInput (parameter_missing, subject_invalid)."""
    if (name := parameter(request, "subject")) is None:
        raise InvalidInput("Missing parameter: subject", code="parameter_missing")
    return checked_subject(name)


def new_subject_of(request: Request) -> str:
    """The subject in the JSON body. Raises InvalidInput (subject_invalid)."""
    return checked_subject(request.data.get("subject") if isinstance(request.data, dict) else None)


def checked_subject(name: object) -> str:
    """The name, trimmed. Raises InvalidInput (subject_invalid) if it is empty, too long or no storable text."""
    try:
        return SUBJECT.run_validation(clean_name(name) if isinstance(name, str) else name)
    except serializers.ValidationError as error:
        reason, *_ = error.detail
        raise InvalidInput(f"subject: {reason}", code="subject_invalid") from error


def parameter(request: Request, name: str) -> str | None:
    """A parameter from the query or, if it is not there, from the body."""
    form = request.data if isinstance(request.data, dict) else {}
    value = request.query_params.get(name, form.get(name))
    return str(value) if isinstance(value, str | int | float) else None


def _validated(input_class: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    given = {name: parameter(request, name) for name, _ in input_class().fields.items()}
    serializer = input_class(data={name: value for name, value in given.items() if value not in (None, "")})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def valid_uuids(texts: Sequence[object]) -> list[UUID]:
    """Those of `texts` that are UUIDs; image ids are."""
    ids = []
    for text in texts:
        with suppress(ValueError):
            ids.append(UUID(str(text)))
    return ids
