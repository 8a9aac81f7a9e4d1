"""The rows of recognition, a module a concern."""

from recognition.models.imports import Import, ImportPiece, ImportRow
from recognition.models.reembedding import PreviewedFace, ReEmbedding, ReEmbeddingPart, UnembeddedSample
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
    "Status",
    "UnembeddedSample",
    "Worker",
]
