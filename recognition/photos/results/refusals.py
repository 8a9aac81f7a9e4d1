"""Why a photo is refused: reason codes, and what to do about each."""

from django.utils.translation import gettext_noop

REFUSALS = {
    "face_not_found": gettext_noop(
        "No face was found. Send a photo in which the face is clear, upright and not too small."
    ),
    "photo_truncated": gettext_noop(
        "The file ends too early, so a part of the photo is missing. Send the whole file; or, if what is there will do, "
        "send it again and allow that (accept_truncated)."
    ),
    "multiple_faces": gettext_noop(
        "There are %(count)s faces. Send a photo of this person alone, or crop it to their face."
    ),
    "face_too_small": gettext_noop("The face is too small to recognise. Send a larger or closer photo."),
    "low_detection_score": gettext_noop("It is not certain that this is a face. Send a clearer photo."),
    "low_quality": gettext_noop(
        "The face is too blurred, too dark, too bright or too flat. Send a sharper, well-lit photo."
    ),
    "extreme_pose": gettext_noop(
        "The face is turned too far away. Send a photo in which the person looks towards the camera."
    ),
    "identity_similarity_conflict": gettext_noop(
        "The face looks more like %(other)s than like %(name)s. Check who it is; if it really is %(name)s, enrol the photo "
        "with the quality gate off."
    ),
}


def refusal(code: str, **values: str | int) -> str:
    """The sentence of a reason code, in English; pages retell it. values: for its places."""
    return REFUSALS[code] % values


class Refusal(Exception):
    """An enrolment photo is refused. code: a key of REFUSALS; values: for the message."""

    def __init__(self, code: str, **values: str | int) -> None:
        super().__init__(refusal(code, **values))
        self.code = code
