"""What the schema says of every call, so that no view has to: its errors, repeated POSTs, and an example of each body."""

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from faceplatform.web.api import CODES, PROBLEM, TITLES

ONCE = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Any text of your choice, such as a UUID: the same call again within 24 hours under the same key changes "
    "nothing and is answered the same.",
)
ERRORS = {
    "400": "A field or parameter is missing or wrong.",
    "401": "No API key, or one that is unknown, expired or revoked.",
    "403": "Your role in the gallery, or the key's scopes, do not suffice.",
    "404": "It is not there, or hidden from you.",
    "405": "This address does not know this method.",
    "406": "Answers are JSON; say so in Accept, or leave it out.",
    "409": "It clashes with what is there.",
    "412": "It was changed since you looked at it.",
    "413": "The photo or upload is too large.",
    "415": "This content type is not taken here.",
    "422": "The photo cannot be used, or the Idempotency-Key was used for another call; `code` says why.",
    "429": "Too many calls; Retry-After says when to go on.",
    "500": "Our fault. The operator finds the request id in the log.",
    "503": "The database or the workers are away, or too much waits; Retry-After says when to try again.",
}
ALWAYS = ("401", "403", "406", "429", "500", "503")

# What fields are called, in examples. The others follow from their type.
EXAMPLES = {
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
    "pack": "dlib-resnet",
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
BY_FORMAT = {
    "binary": "(the file)",
    "date": "2026-01-31",
    "date-time": "2026-01-31T08:00:00Z",
    "uri": "https://faces.example.org/…",
    "uuid": "01a21363-fd35-7d55-bd5d-971df880eb25",
}
BY_TYPE = {"boolean": False, "integer": 1, "number": 0.5, "string": "text", "object": {}}


class PlatformSchema(AutoSchema):
    def get_override_parameters(self):
        found = super().get_override_parameters()
        return [*found, ONCE] if self.method == "POST" else found


def complete(result, generator, request, public):
    """A post-processing hook of drf-spectacular: adds to each operation its errors, and examples to its bodies."""
    schemas = result["components"]["schemas"]
    result["components"]["responses"] = {f"Problem{status}": _problem(status, schemas) for status in ERRORS}
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            answers = {status: {} for status in _errors(path, method, operation)} | operation["responses"]
            operation["responses"] = {status: _answer(status, answers[status]) for status in sorted(answers)}
            for body in [operation.get("requestBody", {}), *operation["responses"].values()]:
                _add_examples(body, schemas)
    return result


def _answer(status: str, answer: dict) -> dict:
    """A problem is described once for all; a result that comes with such a status, as of an enrolment, is left."""
    problem = all("Problem" in str(content) for content in answer.get("content", {}).values())
    return {"$ref": f"#/components/responses/Problem{status}"} if status in ERRORS and problem else answer


def _problem(status: str, schemas: dict) -> dict:
    schema = {"$ref": "#/components/schemas/Problem"}
    example = example_of(schema, schemas) | {"status": int(status), "title": TITLES[int(status)]}
    example |= {"code": CODES.get(int(status), "error"), "detail": ERRORS[status]}
    example.pop("errors", None)
    return {"description": ERRORS[status], "content": {PROBLEM: {"schema": schema, "example": example}}}


def _errors(path: str, method: str, operation: dict) -> list[str]:
    found = [*ALWAYS]
    if "{" in path:
        found.append("404")
    if method in ("post", "put", "patch") or operation.get("parameters"):
        found.append("400")
    if "requestBody" in operation:
        found += ["413", "415"]
    if method == "post":
        found.append("422")
    return found


def _add_examples(body: dict, schemas: dict) -> None:
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        if "json" in kind and not content.get("examples"):
            content["example"] = example_of(schema, schemas)


def example_of(schema: dict, schemas: dict, name: str = ""):
    """A value that fits the schema."""
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
    if schema.get("format") in BY_FORMAT:
        return BY_FORMAT[schema["format"]]
    return schema.get("default", schema.get("minimum", BY_TYPE.get(schema.get("type"), {})))


def _fits(example, schema: dict) -> bool:
    kinds = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "array": list, "object": dict}
    return example is None or (isinstance(example, kinds.get(schema.get("type"), object)) and "format" not in schema)
