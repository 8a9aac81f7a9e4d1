"""Domain errors: raised by services and querysets, turned into a response in one place (faceplatform/web/)."""


class DomainError(Exception):
    """Something the caller can act on.

    message: a sentence that says what to do. code: machine-readable and stable. status: the HTTP status it becomes.
    retry_after: seconds, sent as the header Retry-After.
    """

    code = "error"
    status = 400

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.status = status or self.status
        self.retry_after = retry_after


class InvalidInput(DomainError):
    code = "invalid_input"
    status = 400


class NotFound(DomainError):
    code = "not_found"
    status = 404


class NotAllowed(DomainError):
    code = "not_allowed"
    status = 403


class Conflict(DomainError):
    code = "conflict"
    status = 409


class TooManyAttempts(DomainError):
    code = "throttled"
    status = 429


class Unprocessable(DomainError):
    """The request is well formed, but its content, usually a photo, cannot be used. `code` says why."""

    code = "invalid_image"
    status = 422


class Unavailable(DomainError):
    code = "unavailable"
    status = 503
