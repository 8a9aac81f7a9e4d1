"""The errors that a call can raise."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """The platform refused a call. code: a stable word, such as face_not_found. detail: a sentence that says what to do.

    request_id: identifies the call in the platform's log. retry_after: seconds after which trying again may help, or None.
    errors: the messages for each field.
    """

    def __init__(self, problem: dict[str, Any], retry_after: float | None = None):
        self.status = int(problem.get("status", 0))
        self.code = str(problem.get("code", "error"))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.errors: dict[str, Any] = problem.get("errors") or {}
        self.retry_after = retry_after
        super().__init__(f"{self.status} {self.code}: {self.detail}")


class ConnectionFailed(Exception):
    """The platform could not be reached, or the connection broke."""


class AddressRefused(ConnectionFailed):
    """The platform redirects, or names its next page, at another scheme, host or port. The key is not sent there."""
