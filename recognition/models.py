"""Gathers the models of all features, for Django, its migrations and the shell. Features import their own models directly."""

from recognition.calibration.models import CalibrationReport
from recognition.evaluations.models import Evaluation
from recognition.health.models import HealthFinding, HealthReport
from recognition.imports.models import Import, ImportPiece, ImportRow
from recognition.photos.models import (
    Candidate,
    Decision,
    Priority,
    Purpose,
    RecognitionFace,
    RecognitionRequest,
    Rejection,
    Status,
    Worker,
)
from recognition.privacy.models import Erasure, RetentionRule
from recognition.reembedding.models import PreviewedFace, ReEmbedding, ReEmbeddingPart, UnembeddedSample

__all__ = [
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
