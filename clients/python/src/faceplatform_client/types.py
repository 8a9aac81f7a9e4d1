"""The platform's answers: dictionaries with known fields, as in the JSON."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Status = Literal["queued", "running", "done", "failed"]


class Pixels(TypedDict):
    x: float
    y: float
    width: float
    height: float


class Shares(TypedDict):
    left: float
    top: float
    width: float
    height: float


class Box(TypedDict):
    pixels: Pixels
    normalized: Shares


class Quality(TypedDict):
    score: float
    reasons: list[str]


class Identity(TypedDict):
    id: str
    name: str
    external_id: str


class Candidate(TypedDict):
    identity: Identity
    distance: float
    mean_distance: float | None
    score: float
    sample_id: str | None


class FoundFace(TypedDict):
    index: int
    box: Box
    landmarks: list[list[float]]
    detection_score: float
    quality: Quality


class Face(FoundFace):
    decision: Literal["known", "unknown", "unusable"]
    identity: Identity | None
    candidates: list[Candidate]
    rejected: list[Identity]
    margin: float | None


class DetectedFace(FoundFace):
    usable: bool


class EmbeddedFace(DetectedFace):
    embedding: list[float]


class Image(TypedDict):
    width: int
    height: int


class Threshold(TypedDict):
    distance: float
    source: str


class Problem(TypedDict):
    code: str
    detail: str


class Analysis(TypedDict):
    id: str
    status: Status
    gallery: str
    pack: str
    waits_for: str | None
    created_at: str
    image: Image | None
    timings_ms: dict[str, float]
    warnings: list[str]
    error: Problem | None


class Recognition(Analysis):
    photo: str
    threshold: Threshold | None
    faces: list[Face]


class Detection(Analysis):
    faces: list[DetectedFace]


class Embedding(Analysis):
    faces: list[EmbeddedFace]


class Match(TypedDict):
    face: DetectedFace
    distance: float
    score: float
    decision: Literal["same", "different", "unusable"]
    sample_id: str | None


class Comparison(Analysis):
    threshold: Threshold
    reference: DetectedFace | None
    matches: list[Match]


class Search(TypedDict):
    pack: str
    threshold: Threshold
    decision: Literal["known", "unknown"]
    identity: Identity | None
    candidates: list[Candidate]
    margin: float | None


class Person(TypedDict):
    id: str
    gallery: str
    name: str
    external_id: str
    department: str
    position: str
    active: bool
    hidden: bool
    metadata: Any
    last_recognized_at: str | None
    created_at: str
    updated_at: str
    sample_count: int
    portrait: str | None


class CameraName(TypedDict):
    id: str
    slug: str
    name: str


class UnknownName(TypedDict):
    id: str
    number: int


class SightingFace(TypedDict):
    id: str
    rank: int
    taken_at: str
    detection_score: float
    quality: Quality
    jpeg: str


class Sighting(TypedDict):
    id: str
    gallery: str
    camera: CameraName
    decision: Literal["known", "unknown", "unusable"]
    identity: Identity | None
    unknown: UnknownName | None
    reason: str
    first_seen: str
    last_seen: str
    frames: int
    distance: float | None
    margin: float | None
    threshold: float | None
    pack: str
    closed: bool
    named_by: str | None
    named_at: str | None
    follows: str | None
    faces: list[SightingFace]


class MayBe(TypedDict):
    identity: Identity | None
    unknown: UnknownName | None
    distance: float


class UnknownPerson(TypedDict):
    id: str
    gallery: str
    number: int
    first_seen: str
    last_seen: str
    sightings: int
    ignored: bool
    identity: Identity | None
    merged_into: UnknownName | None
    face: str | None
    may_be: list[MayBe]


class Naming(TypedDict):
    event: str
    identity: Identity
    enrolled: list[str]
    refused: list[dict[str, str]]


class EnrolmentResult(TypedDict):
    photo: str
    status: Literal["enrolled", "refused", "pending"]
    waits_for: str | None
    sample: dict[str, Any] | None
    warnings: list[str]
    error: Problem | None


class Enrolment(TypedDict):
    enrolled: int
    refused: int
    pending: int
    results: list[EnrolmentResult]


class CameraState(TypedDict):
    """status: waiting, connecting, live, degraded, offline, ended or disabled. text, detail: the same in words, and why."""

    status: str
    text: str
    detail: str
    since: str | None
    last_frame_at: str | None
    width: int | None
    height: int | None
    fps: float | None
    analysed_fps: float | None
    drops: int
    reconnects: int


class Camera(TypedDict):
    """address, user: told to owners alone. picture: the number of its newest picture."""

    id: str
    gallery: str
    slug: str
    name: str
    kind: Literal["rtsp", "mjpeg", "file", "device", "webcam"]
    enabled: bool
    role: Literal["both", "entrance", "exit"]
    fps: float
    min_face_px: int
    min_frames: int
    masks: list[Any]
    live: bool
    repeats: bool
    retention_days: int | None
    unknown_retention_days: int | None
    created_at: str
    address: str | None
    user: str | None
    has_password: bool
    state: CameraState
    picture: int | None


class _Kiosk(TypedDict):
    id: str
    gallery: str
    camera: str
    name: str
    greets_strangers: bool
    created_at: str
    code_expires_at: str
    started_at: str | None
    last_used_at: str | None


class Kiosk(_Kiosk, total=False):
    """code: in the answer that made it alone. started_at: when it was used; None before."""

    code: str | None


class Alert(TypedDict):
    """kind: known, unknown, watch_list, absent or camera_offline. seen: by the key's user. picture: its path, if it has one."""

    id: str
    gallery: str
    kind: str
    rule: str
    text: str
    raised_at: str
    camera: CameraName | None
    identity: Identity | None
    unknown: UnknownName | None
    date: str | None
    sighting: dict[str, Any] | None
    picture: str | None
    seen: bool
    seen_by: list[dict[str, str]]


class AlertRule(TypedDict):
    """weekdays: 0 is Monday. cooldown: seconds."""

    id: str
    gallery: str
    name: str
    kind: str
    enabled: bool
    cameras: list[str]
    people: list[str]
    but_not: list[str]
    weekdays: list[int]
    starts_at: str | None
    ends_at: str | None
    min_score: float | None
    cooldown: int
    absent_after: str | None
    emails: list[str]
    created_at: str


class _Endpoint(TypedDict):
    id: str
    gallery: str
    url: str
    kinds: list[str]
    enabled: bool
    off_reason: str
    failing_since: str | None
    old_secret_until: str | None
    created_at: str


class WebhookEndpoint(_Endpoint, total=False):
    """secret: in the answer that made it alone."""

    secret: str | None
