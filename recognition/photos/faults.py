"""Whose fault a failed photo is, for every code that a result can have, and the HTTP status of each.

Of a photo's own fault, or the caller's, the answer is final. For a fault of the server the photo waits and is tried again;
once its attempts are used up, the answer is 5xx and never says that the photo cannot be used.
"""

from enum import StrEnum

from django.utils.translation import gettext_noop

from faceplatform.database import trouble
from faceplatform.errors import DomainError
from recognition.engine.faults import lacks_memory


class Whose(StrEnum):
    PHOTO = "photo"
    CALLER = "caller"
    SERVER = "server"


PHOTO = {
    "invalid_image": 422,
    "image_too_large": 413,
    # those of results/refusals.py
    "face_not_found": 422,
    "photo_truncated": 422,
    "multiple_faces": 422,
    "face_too_small": 422,
    "low_detection_score": 422,
    "low_quality": 422,
    "extreme_pose": 422,
    "identity_similarity_conflict": 422,
}
CALLER = {
    "not_allowed": 403,
    "scope_missing": 403,
    "not_found": 404,
    "duplicate_photo": 409,
    "consent_missing": 409,
    "deleted_meanwhile": 409,
    "edited_meanwhile": 409,
    "conflict": 409,
    "client_gone": 409,
    "invalid_input": 400,
}
SERVER = {
    "pack_not_installed": 503,
    "device_missing": 503,
    "out_of_memory": 503,
    "worker_lost": 503,
    "engine_error": 500,
    "not_stored": 500,
    "unavailable": 503,
    **dict.fromkeys(trouble.CODES, 503),
    "error": 500,
}
FAULTS = {
    code: (whose, status)
    for whose, codes in ((Whose.PHOTO, PHOTO), (Whose.CALLER, CALLER), (Whose.SERVER, SERVER))
    for code, status in codes.items()
}

OUT_OF_MEMORY = gettext_noop(
    "The server does not have enough memory to process this photo. Try again later, and tell your operator: a worker needs "
    "more memory, or there are too many workers."
)
ENGINE_ERROR = gettext_noop(
    "The engine failed on this photo (%(error)s). It is a fault of the server. Tell your operator: the log says more."
)
NOT_STORED = gettext_noop(
    "The result could not be stored (%(error)s). It is a fault of the server. Tell your operator: the log says more."
)
WAITS_FOR_WORKER = gettext_noop(
    "The photo waits: no recognition worker is running at the moment. It is done as soon as one is. Do not send it again, but "
    "under the same Idempotency-Key; ask for its result instead."
)
WAITS_FOR_PACK = gettext_noop(
    "The photo waits for a worker with the model pack “%(pack)s”, and is done as soon as there is one. Do not send it again; "
    "ask your operator to install the pack: manage.py packs install %(pack)s"
)


def is_servers(code: str) -> bool:
    """Whether a failure with this code is the server's fault. A code that nobody knows is nobody else's."""
    return FAULTS.get(code, (Whose.SERVER, 500))[0] == Whose.SERVER


def status_of(code: str) -> int:
    """The HTTP status of a failure with this code."""
    return FAULTS.get(code, (Whose.SERVER, 500))[1]


def reason_of(error: Exception, otherwise: str) -> tuple[str, str]:
    """Code and message of a fault of the server. otherwise: "engine_error" or "not_stored", unless it is known better."""
    if isinstance(error, DomainError):
        return error.code, error.message
    if lacks_memory(error):
        return "out_of_memory", OUT_OF_MEMORY
    if known := trouble.trouble_of(error):
        return known.code, known.sentence
    text = ENGINE_ERROR if otherwise == "engine_error" else NOT_STORED
    return otherwise, text % {"error": type(error).__name__}
