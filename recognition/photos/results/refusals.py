"""Why a photo is refused: reason codes, and what to do about each."""

REFUSALS = {
    "face_not_found": "No face was found. Send a photo in which the face is clear, upright and not too small.",
    "photo_truncated": "The file ends too early, so a part of the photo is missing. Send the whole file; or, if what is "
    "there will do, send it again and allow that (accept_truncated).",
    "multiple_faces": "There are {count} faces. Send a photo of this person alone, or crop it to their face.",
    "face_too_small": "The face is too small to recognise. Send a larger or closer photo.",
    "low_detection_score": "It is not certain that this is a face. Send a clearer photo.",
    "low_quality": "The face is too blurred, too dark, too bright or too flat. Send a sharper, well-lit photo.",
    "extreme_pose": "The face is turned too far away. Send a photo in which the person looks towards the camera.",
    "identity_similarity_conflict": "The face looks more like {other} than like {name}. Check who it is; "
    "if it really is {name}, enrol the photo with the quality gate off.",
}


class Refusal(Exception):
    """An enrolment photo is refused. code: a key of REFUSALS; values: for the message."""

    def __init__(self, code: str, **values: str | int) -> None:
        super().__init__(REFUSALS[code].format(**values))
        self.code = code
