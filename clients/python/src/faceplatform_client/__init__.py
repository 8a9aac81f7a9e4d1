"""A client for Faceplatform's REST API v1. See README.md."""

from faceplatform_client.client import Client
from faceplatform_client.errors import AddressRefused, ApiError, ConnectionFailed
from faceplatform_client.types import (
    Alert,
    AlertRule,
    Camera,
    Candidate,
    Comparison,
    Detection,
    Embedding,
    Enrolment,
    Face,
    Identity,
    Match,
    Naming,
    Person,
    Recognition,
    Search,
    Sighting,
    UnknownPerson,
    WebhookEndpoint,
)

__all__ = [
    "AddressRefused",
    "Alert",
    "AlertRule",
    "ApiError",
    "Camera",
    "Candidate",
    "Client",
    "Comparison",
    "ConnectionFailed",
    "Detection",
    "Embedding",
    "Enrolment",
    "Face",
    "Identity",
    "Match",
    "Naming",
    "Person",
    "Recognition",
    "Search",
    "Sighting",
    "UnknownPerson",
    "WebhookEndpoint",
]
