"""What the API's schema says about every operation, so that no view has to: errors, Idempotency-Key, and example bodies."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import Serializer

from faceplatform.web.api import CODES, PROBLEM, TITLES

Schema = dict[str, Any]

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Any text you choose, such as a UUID. Repeating the call with the same key within 24 hours changes nothing and "
    "returns the same answer.",
)
ERRORS = {
    "400": "A field or parameter is missing or wrong.",
    "401": "No API key, or one that is unknown, expired or revoked.",
    "403": "Your role in the gallery or the key's scopes do not allow this.",
    "404": "It does not exist, or you have no access to it.",
    "405": "This URL does not support this method.",
    "406": "Answers are JSON: the Accept header must allow it, or be left out.",
    "409": "It conflicts with what exists.",
    "412": "It was changed since you read it.",
    "413": "The photo or upload is too large.",
    "415": "This content type is not supported here.",
    "422": "The photo cannot be used, or the Idempotency-Key was used for another call; `code` says why.",
    "429": "Too many calls; Retry-After says when to try again.",
    "500": "An error on the server. The operator finds the request id in the log.",
    "503": "The database or the workers are unavailable, or the queue is full; Retry-After says when to try again.",
}
ALWAYS_POSSIBLE = ("401", "403", "406", "429", "500", "503")

# Example values by the name of the field. The examples of other fields follow from their format or type.
EXAMPLES: dict[str, Any] = {
    "action": "identity.created",
    "boxes": [],
    "code": "face_not_found",
    "commercial_use": True,
    "department": "Navy",
    "detail": "No face was found. Send a photo in which the face is clear, upright and not too small.",
    "detection_score": 0.9998,
    "distance": 0.361,
    "external_id": "17",
    "gallery": "staff",
    "gallery_slug": "staff",
    "height": 720,
    "ip": "192.0.2.7",
    "key": "fp_kJ0wq3…",
    "landmarks": [[675.4, 327.0], [822.1, 330.9], [752.3, 421.7], [690.2, 505.4], [815.6, 508.8]],
    "licence": "CC0-1.0",
    "margin": 0.437,
    "mean_distance": 0.392,
    "name": "Grace Hopper",
    "next": None,
    "object_name": "Grace Hopper",
    "object_type": "identity",
    "pack": "sface",
    "photo": "visitor.jpg",
    "photo_name": "visitor.jpg",
    "position": "Rear admiral",
    "prefix": "fp_kJ0wq3",
    "previous": None,
    "reason": "asked for by the person",
    "request_id": "01a21363-fd35-7d55-bd5d-971df880eb25",
    "score": 0.955,
    "slug": "staff",
    "timings_ms": {"queued": 3.1, "decode": 4.0, "detect": 30.2, "embed": 12.9, "search": 2.0, "total": 58.1},
    "type": "about:blank",
    "user": "ada",
    "user_name": "ada",
    "username": "ada",
    "width": 1280,
}
EXAMPLES_BY_FORMAT = {
    "binary": "(the file)",
    "date": "2026-01-31",
    "date-time": "2026-01-31T08:00:00Z",
    "local-time": "08:30:00",
    "uri": "https://faces.example.org/…",
    "uuid": "01a21363-fd35-7d55-bd5d-971df880eb25",
}
LOCAL_TIME = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"
EXAMPLES_BY_TYPE: dict[str, Any] = {"boolean": False, "integer": 1, "number": 0.5, "string": "text", "object": {}}


class PlatformSchema(AutoSchema):
    """Documents the header Idempotency-Key at every POST."""

    def get_override_parameters(self) -> list[OpenApiParameter | Serializer[Any] | type[Serializer[Any]]]:
        parameters = super().get_override_parameters()
        return [*parameters, IDEMPOTENCY_KEY] if self.method == "POST" else parameters


def add_errors_and_examples(result: Schema, generator: object, request: object, public: bool) -> Schema:
    """A post-processing hook of drf-spectacular: adds its errors to each operation, and examples to the bodies."""
    schemas = result["components"]["schemas"]
    _name_local_times(result)
    result["components"]["responses"] = {f"Problem{status}": _problem(status, schemas) for status in ERRORS}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            answers = {status: {} for status in _errors(path, method, operation)} | operation["responses"]
            operation["responses"] = {status: _answer(status, answers[status]) for status in sorted(answers)}
            for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
                _add_examples(body, schemas)
    return result


def _name_local_times(part: Any) -> None:
    """Times of a day have no zone here: JSON Schema's format "time" (RFC 3339) demands one."""
    if isinstance(part, dict):
        if part.get("type") == "string" and part.get("format") == "time":
            part |= {"format": "local-time", "pattern": LOCAL_TIME}
        for inner in part.values():
            _name_local_times(inner)
    elif isinstance(part, list):
        for inner in part:
            _name_local_times(inner)


def _answer(status: str, answer: Schema) -> Schema:
    """A reference to the shared description of an error. A result with such a status, as an enrolment's, stays as it is."""
    problem = all("Problem" in str(content) for content in answer.get("content", {}).values())
    return {"$ref": f"#/components/responses/Problem{status}"} if status in ERRORS and problem else answer


def _problem(status: str, schemas: Schema) -> Schema:
    schema = {"$ref": "#/components/schemas/Problem"}
    example = example_of(schema, schemas) | {"status": int(status), "title": TITLES[int(status)]}
    example |= {"code": CODES.get(int(status), "error"), "detail": ERRORS[status]}
    example.pop("errors", None)
    return {"description": ERRORS[status], "content": {PROBLEM: {"schema": schema, "example": example}}}


def _errors(path: str, method: str, operation: Schema) -> list[str]:
    statuses = [*ALWAYS_POSSIBLE]
    if "{" in path:
        statuses.append("404")
    if method in ("post", "put", "patch") or operation.get("parameters"):
        statuses.append("400")
    if "requestBody" in operation:
        statuses += ["413", "415"]
    if method == "post":
        statuses.append("422")
    return statuses


def _add_examples(body: Schema, schemas: Schema) -> None:
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        if "json" in kind and not content.get("examples"):
            content["example"] = example_of(schema, schemas)


def example_of(schema: Schema, schemas: Schema, name: str = "") -> Any:
    """A value that fits `schema`, which may refer to `schemas`. name: that of the field it is for."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            return example_of(schema[several][0], schemas, name)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object" and "properties" in schema:
        return {field: example_of(part, schemas, field) for field, part in schema["properties"].items()}
    if name in EXAMPLES and _fits(EXAMPLES[name], schema):
        return EXAMPLES[name]
    if schema.get("type") == "array":
        return [example_of(schema.get("items", {}), schemas)]
    if schema.get("format") in EXAMPLES_BY_FORMAT:
        return EXAMPLES_BY_FORMAT[schema["format"]]
    return schema.get("default", schema.get("minimum", EXAMPLES_BY_TYPE.get(schema.get("type", ""), {})))


def _fits(example: Any, schema: Schema) -> bool:
    kinds: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    return example is None or (
        isinstance(example, kinds.get(schema.get("type", ""), object)) and "format" not in schema
    )
