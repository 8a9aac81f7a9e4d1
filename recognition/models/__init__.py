"""The rows of recognition, a module a concern."""

from recognition.models.calibration import CalibrationReport
from recognition.models.evaluations import Evaluation
from recognition.models.health import HealthFinding, HealthReport
from recognition.models.imports import Import, ImportPiece, ImportRow
from recognition.models.privacy import Erasure, RetentionRule
from recognition.models.reembedding import PreviewedFace, ReEmbedding, ReEmbeddingPart, UnembeddedSample
from recognition.models.requests import (
    ANALYSES,
    Candidate,
    Decision,
    Priority,
    Purpose,
    RecognitionFace,
    RecognitionRequest,
    Rejection,
    Status,
)
from recognition.models.workers import Worker

__all__ = [
    "ANALYSES",
    "CalibrationReport",
    "Candidate",
    "Decision",
    "Erasure",
    "Evaluation",
    "HealthFinding",
    "HealthReport",
    "Import",
    "ImportPiece",
    "ImportRow",
    "PreviewedFace",
    "Priority",
    "Purpose",
    "ReEmbedding",
    "ReEmbeddingPart",
    "RecognitionFace",
    "RecognitionRequest",
    "Rejection",
    "RetentionRule",
    "Status",
    "UnembeddedSample",
    "Worker",
]
