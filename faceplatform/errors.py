"""Errors of the domain: raised by services and querysets, mapped to an answer once, at the edge."""


class DomainError(Exception):
    """Something the caller can act on.

    code: machine-readable and stable; message: a sentence that says what to do; status: the HTTP status it maps to.
    """

    code = "error"
    status = 400

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, retry_after: int | None = None
    ):
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


class Unprocessable(DomainError):
    """The photo was understood as a photo, or tried to be, and cannot be used. `code` is a reason code."""

    code = "invalid_image"
    status = 422


class Unavailable(DomainError):
    code = "unavailable"
    status = 503
