"""The rows of recognition, a module a concern."""

from recognition.models.evaluations import Evaluation
from recognition.models.imports import Import, ImportPiece, ImportRow
from recognition.models.requests import (
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
    "Candidate",
    "Decision",
    "Evaluation",
    "Import",
    "ImportPiece",
    "ImportRow",
    "Priority",
    "Purpose",
    "RecognitionFace",
    "RecognitionRequest",
    "Rejection",
    "Status",
    "Worker",
]
